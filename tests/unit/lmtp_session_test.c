/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lmtp/command.h"
#include "core/lmtp/delivery.h"
#include "core/lmtp/lmtp.h"

static struct mail mail;
static char dir[64];
static int peer;
static struct buf heard;

/* A feature of the test's own stands in for the compiled table. */
static enum hook_result verdict;
static const char *refusal;
static int checks, dones;

static enum hook_result deliver_route(struct delivery *d)
{
	if (str_eq(d->detail, STR("nowhere"))) {
		d->note = "discarded";
		return HOOK_DONE;
	}
	if (str_eq(d->detail, STR("lists"))) {
		d->mailbox = mailbox_find(d->account, d->detail);
		d->flags = MESSAGE_SEEN;
	}
	return HOOK_PASS;
}

static enum hook_result deliver_check(struct delivery *d)
{
	checks++;
	assert_non_null(d->mailbox);
	assert_true(d->header.len <= body_size(d->body));
	if (verdict == HOOK_DONE)
		d->note = "duplicate";
	d->refusal = refusal;
	return verdict;
}

static void deliver_done(struct delivery *d)
{
	dones++;
	assert_true(d->uid > 0 && d->lsn > 0);
}

static const struct feature probe_feature = {
	.name = "probe", .deliver_route = deliver_route, .deliver_check = deliver_check, .deliver_done = deliver_done};
const struct feature *const features[] = {&probe_feature, NULL};
const size_t feature_count = 1;

size_t feature_slots_size(void)
{
	return 0;
}

void *feature_slot(const struct session *s, const struct feature *f)
{
	(void)s;
	(void)f;
	return NULL;
}

static int lookup(struct mail *m, struct str name, struct buf *words)
{
	(void)m;
	(void)words;
	if (str_eq(name, STR("cannot")))
		return -1;
	return str_eq(name, STR("demo")) || str_eq(name, STR("other")) ||
		str_eq(name, STR("whole@example.org")) || str_eq(name, STR("q q"));
}

static void start(const char *unread)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	peer = fd[1];
	assert_int_equal(lmtp_session_start(&mail, fd[0], STR("pc.example"),
		&(struct lmtp_login){0}, STR("127.0.0.1"), false,
		str_from(unread)), 0);
}

static int setup(void **state)
{
	struct store_options o = {.dir = dir, .checkpoint_interval = 3600, .body_budget = 256 << 20};
	struct buf error = {0};

	(void)state;
	strcpy(dir, "/tmp/satchel-lmtp-XXXXXX");
	assert_non_null(mkdtemp(dir));
	memset(&mail, 0, sizeof(mail));
	mail.loop = loop_new();
	mail.hostname = "mx.example";
	mail.account_lookup = lookup;
	mail.store = store_open(mail.loop, &o, &error);
	assert_non_null(mail.store);
	buf_free(&error);
	verdict = HOOK_PASS;
	refusal = NULL;
	checks = dones = 0;
	peer = -1;
	return 0;
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	if (peer >= 0)
		close(peer);
	for (int i = 0; i < 1000 && mail.sessions; i++)
		loop_turn(mail.loop, 10);
	assert_null(mail.sessions);
	store_close(&mail.store);
	loop_turn(mail.loop, 0); /* what the store had queued frees itself */
	loop_free(&mail.loop);
	buf_free(&heard);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void say(const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t done = write(peer, text, n);

		if (done > 0) {
			text += done;
			n -= (size_t)done;
		}
		loop_turn(mail.loop, 0);
	}
}

/* Runs the loop until so many lines were heard (or the end); they are then in `heard`. */
static const char *hear(unsigned lines)
{
	buf_clear(&heard);
	for (int i = 0; i < 2000; i++) {
		unsigned got = 0;
		char *to = buf_reserve(&heard, 8192);
		ssize_t n = recv(peer, to, 8191, MSG_DONTWAIT);

		if (n > 0)
			buf_commit(&heard, (size_t)n);
		for (size_t k = 0; k < heard.len; k++)
			got += heard.data[heard.off + k] == '\n';
		if (got >= lines || n == 0)
			break;
		loop_turn(mail.loop, 5);
	}
	buf_addc(&heard, '\0');
	heard.len--;
	return buf_str(&heard).p;
}

static struct mailbox *inbox(const char *user)
{
	struct account *a;

	assert_int_equal(account_open(mail.store, str_from(user), false, &a), 1);
	return mailbox_find(a, STR("INBOX"));
}

static const char *stored(struct mailbox *m, uint32_t uid)
{
	static struct buf text;
	struct message msg;

	buf_free(&text);
	assert_int_equal(mailbox_message(m, uid, &msg), 1);
	assert_int_equal(message_read(mail.store, &msg, 0, msg.size, &text), 0);
	assert_int_equal(text.len, msg.size);
	buf_addc(&text, '\0');
	return buf_str(&text).p;
}

#define TEXT "Subject: x\r\n\r\nbody\r\n..dot\r\n.\r\n"

static void test_delivers_behind_the_trace_fields(void **state)
{
	const char *text;

	(void)state;
	start("MAIL FROM:<a@b> SIZE=40 BODY=8BITMIME\r\n");
	assert_string_equal(hear(1), "250 2.1.0 Ok\r\n");
	say("RCPT TO:<demo@example.org>\r\nDATA\r\n");
	assert_string_equal(hear(2), "250 2.1.5 Ok\r\n354 Go ahead, end with CRLF . CRLF\r\n");
	say(TEXT);
	assert_string_equal(hear(1), "250 2.1.5 <demo@example.org> stored\r\n");
	assert_true(store_durable(mail.store) >= mailbox_lsn(inbox("demo")));
	text = stored(inbox("demo"), 1);
	assert_ptr_equal(strstr(text, "Return-Path: <a@b>\r\nDelivered-To: demo@example.org\r\n"
		"Received: from pc.example ([127.0.0.1])\r\n\tby mx.example with LMTP id "), text);
	assert_non_null(strstr(text, " +0000\r\nSubject: x\r\n\r\nbody\r\n.dot\r\n"));
	assert_int_equal(dones, 1);
	assert_int_equal(mail.session_count, 1);
	assert_string_equal(mail.sessions->state, "idle");
	say("QUIT\r\n");
	assert_string_equal(hear(1), "221 2.0.0 mx.example Bye\r\n");
}

static void test_one_reply_per_recipient_and_one_body(void **state)
{
	struct message a, b;

	(void)state;
	start("MAIL FROM:<>\r\nRCPT TO:<demo>\r\nRCPT TO:<nobody>\r\nRCPT TO:<cannot>\r\n"
		"RCPT TO:<other+box>\r\nDATA\r\n" TEXT "NOOP\r\n");
	assert_string_equal(hear(9), "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 No such user\r\n"
		"451 4.3.0 Cannot look up users now\r\n250 2.1.5 Ok\r\n354 Go ahead, end with CRLF . CRLF\r\n"
		"250 2.1.5 <demo> stored\r\n250 2.1.5 <other+box> stored\r\n250 2.0.0 Ok\r\n");
	assert_int_equal(mailbox_message(inbox("demo"), 1, &a), 1);
	assert_int_equal(mailbox_message(inbox("other"), 1, &b), 1);
	assert_int_equal(a.blob, b.blob);
}

static void test_addresses_find_their_accounts(void **state)
{
	static const struct {
		const char *rcpt, *reply;
	} cases[] = {
		{"<DEMO@x>", "250"}, {"<Demo+Tag@x>", "250"}, {"<\"demo\"@x>", "250"},
		{"<\"q q\"@x>", "250"}, {"<\"q q\">", "250"}, {"<whole@example.org>", "250"},
		{"<whole+a@example.org>", "250"}, {"<whole>", "550"}, {"<whole@example.com>", "550"},
		{"<\"\">", "550"}, {"<+x>", "550"}, {"<>", "501"}, {"<@relay:demo@x>", "250"},
	};
	char line[200];

	(void)state;
	start("MAIL FROM:<a@b>\r\n");
	hear(1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(line, sizeof(line), "RCPT TO:%s\r\n", cases[i].rcpt);
		say(line);
		if (strncmp(hear(1), cases[i].reply, 3))
			fail_msg("%s: %s", cases[i].rcpt, buf_str(&heard).p);
	}
}

static void test_a_feature_chooses_mailbox_and_flags_or_discards(void **state)
{
	struct message m;
	struct account *a;

	(void)state;
	account_open(mail.store, STR("demo"), true, &a);
	assert_int_equal(mailbox_create(a, STR("lists"), 0, NULL), 0);
	start("MAIL FROM:<>\r\nRCPT TO:<demo+lists>\r\nRCPT TO:<demo+nowhere>\r\nRCPT TO:<demo>\r\nDATA\r\n" TEXT);
	hear(8);
	assert_non_null(memmem(heard.data + heard.off, heard.len, "250 2.1.5 <demo+nowhere> discarded\r\n", 36));
	assert_int_equal(checks, 2);
	assert_int_equal(mailbox_next(mailbox_find(a, STR("lists")), 1, &m), 1);
	assert_int_equal(m.flags, MESSAGE_SEEN);
	assert_int_equal(mailbox_messages(mailbox_find(a, STR("lists"))), 1);
	assert_int_equal(mailbox_next(mailbox_find(a, STR("INBOX")), 1, &m), 1);
	assert_int_equal(m.flags, 0);
	assert_int_equal(mailbox_messages(mailbox_find(a, STR("INBOX"))), 1);
}

static void test_wrong_commands_name_the_problem(void **state)
{
	static const struct {
		const char *line, *reply;
	} cases[] = {
		{"RCPT TO:<demo>", "503 5.5.1"}, {"DATA", "503 5.5.1"}, {"MAIL TO:<a>", "501 5.5.2"},
		{"MAIL FROM:<a> SIZE=x", "501 5.5.4"}, {"MAIL FROM:<a> BODY=9BIT", "501 5.5.4"},
		{"MAIL FROM:<a> RET=FULL", "555 5.5.4"}, {"MAIL FROM:<a> SIZE=99999999999", "552 5.3.4"},
		{"MAIL FROM:<a>", "250 2.1.0"}, {"MAIL FROM:<b>", "503 5.5.1"}, {"DATA", "503 5.5.1"},
		{"RCPT TO:<demo> A=B", "555 5.5.4"}, {"RCPT TO:<demo>", "250 2.1.5"},
		{"DATA now", "501 5.5.4"}, {"RSET", "250 2.0.0"}, {"DATA", "503 5.5.1"}, {"VRFY a", "252 2.5.2"},
		{"HELP", "214 2.0.0"}, {"EHLO x", "500 5.5.1"}, {"LHLO", "501 5.5.4"}, {"", "500 5.5.1"},
	};
	char line[200];

	(void)state;
	start("");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(line, sizeof(line), "%s\r\n", cases[i].line);
		say(line);
		if (strncmp(hear(1), cases[i].reply, strlen(cases[i].reply)))
			fail_msg("%s: %s", cases[i].line, buf_str(&heard).p);
	}
}

static void test_lhlo_again_forgets_the_transaction(void **state)
{
	(void)state;
	start("MAIL FROM:<a>\r\nRCPT TO:<demo>\r\nLHLO new.example\r\n");
	hear(2 + 5);
	say("DATA\r\n");
	assert_string_equal(hear(1), "503 5.5.1 No valid recipients\r\n");
}

static void test_too_many_recipients(void **state)
{
	struct buf line = {0};

	(void)state;
	start("MAIL FROM:<a>\r\n");
	for (int i = 0; i <= CONFIG_RECIPIENTS_MAX; i++)
		buf_adds(&line, "RCPT TO:<demo>\r\n");
	buf_addc(&line, '\0');
	say(buf_str(&line).p);
	buf_free(&line);
	assert_non_null(strstr(hear(CONFIG_RECIPIENTS_MAX + 2), "452 4.5.3 Too many recipients\r\n"));
	/* More than one slice of deliveries; each still has its reply. */
	say("DATA\r\n" TEXT);
	hear(1 + CONFIG_RECIPIENTS_MAX);
	assert_int_equal(mailbox_messages(inbox("demo")), CONFIG_RECIPIENTS_MAX);
	say("NOOP\r\n");
	assert_string_equal(hear(1), "250 2.0.0 Ok\r\n");
}

static void test_a_message_over_the_limit_is_swallowed(void **state)
{
	size_t n = 1 << 20;
	char *block = malloc(n + 1);

	(void)state;
	memset(block, 'x', n);
	block[n] = '\0';
	start("MAIL FROM:<a>\r\nRCPT TO:<demo>\r\nRCPT TO:<other>\r\nDATA\r\n");
	hear(4);
	for (int i = 0; i <= CONFIG_MESSAGE_MAX_MB; i++)
		say(block);
	free(block);
	say("\r\n.\r\nNOOP\r\n");
	assert_string_equal(hear(3), "552 5.3.4 Message is too large\r\n552 5.3.4 Message is too large\r\n"
		"250 2.0.0 Ok\r\n");
	assert_int_equal(checks, 0);
}

static void test_nul_and_loops_are_refused(void **state)
{
	(void)state;
	start("MAIL FROM:<a>\r\nRCPT TO:<demo>\r\nDATA\r\n");
	hear(3);
	assert_int_equal(write(peer, "a\0b\r\n.\r\n", 8), 8);
	assert_string_equal(hear(1), "554 5.6.0 Message contains NUL\r\n");
	say("MAIL FROM:<a>\r\nRCPT TO:<demo>\r\nDATA\r\n");
	hear(3);
	for (int i = 0; i < 101; i++)
		say("received: by x\r\n");
	say("\r\n.\r\n");
	assert_string_equal(hear(1), "554 5.4.6 Too many hops\r\n");
}

static void test_features_may_accept_or_refuse(void **state)
{
	(void)state;
	verdict = HOOK_DONE;
	start("MAIL FROM:<a>\r\nRCPT TO:<demo>\r\nDATA\r\n" TEXT);
	assert_non_null(strstr(hear(4), "250 2.1.5 <demo> duplicate\r\n"));
	verdict = HOOK_FAIL;
	say("MAIL FROM:<a>\r\nRCPT TO:<demo>\r\nDATA\r\n" TEXT);
	assert_non_null(strstr(hear(4), "354 Go ahead, end with CRLF . CRLF\r\n451 4.3.0 "));
	refusal = "452 4.2.2 No";
	say("MAIL FROM:<a>\r\nRCPT TO:<demo>\r\nDATA\r\n" TEXT);
	assert_non_null(strstr(hear(4), "354 Go ahead, end with CRLF . CRLF\r\n452 4.2.2 No\r\n"));
	assert_int_equal(mailbox_messages(inbox("demo")), 0);
	assert_int_equal(dones, 0);
}

static void test_a_missing_final_dot_delivers_nothing(void **state)
{
	(void)state;
	start("MAIL FROM:<a>\r\nRCPT TO:<demo>\r\nDATA\r\nSubject: cut\r\n\r\nno end\r\n");
	hear(3);
	close(peer);
	peer = -1;
	for (int i = 0; i < 10; i++)
		loop_turn(mail.loop, 5);
	assert_null(mail.sessions);
	assert_int_equal(checks, 0);
}

static void test_half_closed_clients_still_get_their_answers(void **state)
{
	(void)state;
	start("MAIL FROM:<a>\r\nRCPT TO:<demo>\r\nDATA\r\n" TEXT "NOO");
	shutdown(peer, SHUT_WR);
	assert_non_null(strstr(hear(99), "250 2.1.5 <demo> stored\r\n"));
	assert_int_equal(recv(peer, (char[1]){0}, 1, 0), 0);
}

static void test_draining_ends_at_a_command_boundary(void **state)
{
	(void)state;
	start("MAIL FROM:<a>\r\nRCPT TO:<demo>\r\nDATA\r\nSubject: late\r\n");
	hear(3);
	mail.sessions->end(mail.sessions, "Shutting down");
	say("\r\n.\r\nMAIL FROM:<b>\r\n");
	assert_string_equal(hear(9),
		"250 2.1.5 <demo> stored\r\n421 4.3.2 mx.example Shutting down\r\n");
}

static void test_too_many_errors_end_the_session(void **state)
{
	(void)state;
	start("");
	for (int i = 0; i < LMTP_ERRORS_MAX; i++)
		say("BLAH\r\n");
	assert_non_null(strstr(hear(99), "421 4.7.0 mx.example Too many errors\r\n"));
}

static void test_a_line_too_long_is_passed_over(void **state)
{
	char *part = malloc(LMTP_LINE_MAX * 3 + 1);

	(void)state;
	memset(part, 'x', LMTP_LINE_MAX * 3);
	part[LMTP_LINE_MAX * 3] = '\0';
	start("");
	say(part);
	say(part);
	free(part);
	say("\r\nNOOP\r\n");
	assert_string_equal(hear(2), "500 5.5.2 Line too long\r\n250 2.0.0 Ok\r\n");
}

static void test_many_transactions_in_one_write(void **state)
{
	struct buf all = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_adds(&all, "MAIL FROM:<a>\r\nRCPT TO:<demo>\r\nDATA\r\n" TEXT);
	buf_adds(&all, "QUIT\r\n");
	buf_addc(&all, '\0');
	start(buf_str(&all).p);
	buf_free(&all);
	hear(401);
	assert_non_null(strstr(buf_str(&heard).p, "221 2.0.0"));
	assert_int_equal(mailbox_messages(inbox("demo")), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_delivers_behind_the_trace_fields),
		T(test_one_reply_per_recipient_and_one_body),
		T(test_addresses_find_their_accounts),
		T(test_a_feature_chooses_mailbox_and_flags_or_discards),
		T(test_wrong_commands_name_the_problem),
		T(test_lhlo_again_forgets_the_transaction),
		T(test_too_many_recipients),
		T(test_a_message_over_the_limit_is_swallowed),
		T(test_nul_and_loops_are_refused),
		T(test_features_may_accept_or_refuse),
		T(test_a_missing_final_dot_delivers_nothing),
		T(test_half_closed_clients_still_get_their_answers),
		T(test_draining_ends_at_a_command_boundary),
		T(test_too_many_errors_end_the_session),
		T(test_a_line_too_long_is_passed_over),
		T(test_many_transactions_in_one_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
