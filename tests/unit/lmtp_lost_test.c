/* SPDX-License-Identifier: 0BSD */
/* What an LMTP client hears when the disk fails: over a store that never, or wrongly, gets durable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lib/log.h"
#include "core/lmtp/lmtp.h"
#include "core/store/store.h"

const struct feature *const features[] = {NULL};
const size_t feature_count = 0;

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

struct store {
	uint64_t last, durable;
	struct store_waiter *waiter;
	int admits, append, account;
};
static struct store store;

struct body {
	struct buf text;
	struct mime_summary summary;
};

int store_admits(const struct store *s, uint64_t bytes)
{
	(void)bytes;
	return s->admits;
}

void store_begin(struct store *s)
{
	(void)s;
}

void store_end(struct store *s)
{
	(void)s;
}

uint64_t store_durable(const struct store *s)
{
	return s->durable;
}

void store_wait(struct store *s, struct store_waiter *w, uint64_t lsn)
{
	w->lsn = lsn;
	s->waiter = w;
}

void store_wait_cancel(struct store_waiter *w)
{
	assert_ptr_equal(w, store.waiter);
	store.waiter = NULL;
}

struct body *body_new(struct store *s)
{
	(void)s;
	return calloc(1, sizeof(struct body));
}

struct buf *body_buf(struct body *b)
{
	return &b->text;
}

int body_finish(struct body *b)
{
	(void)b;
	return 0;
}

void body_expect(struct body *b, uint64_t bytes)
{
	(void)b;
	(void)bytes;
}

int body_added(struct body *b)
{
	return b->text.failed ? -1 : 0;
}

bool body_full(const struct body *b)
{
	(void)b;
	return false;
}

void body_notify(struct body *b, void (*ready)(void *arg), void *arg)
{
	(void)b;
	(void)ready;
	(void)arg;
}

struct str body_header(const struct body *b)
{
	return (struct str){buf_str(&b->text).p, b->summary.header_len};
}

struct str body_bytes(const struct body *b)
{
	return buf_str(&b->text);
}

uint64_t body_size(const struct body *b)
{
	return b->text.len;
}

const struct mime_summary *body_summary(const struct body *b)
{
	return &b->summary;
}

void body_free(struct body **b)
{
	if (*b)
		buf_free(&(*b)->text);
	free(*b);
	*b = NULL;
}

int account_open(struct store *s, struct str name, bool create, struct account **a_r)
{
	(void)name;
	assert_true(create);
	*a_r = (struct account *)s;
	errno = s->account;
	return s->account ? -1 : 1;
}

struct mailbox *mailbox_find(const struct account *a, struct str name)
{
	(void)name;
	return (struct mailbox *)(uintptr_t)a;
}

bool mailbox_exists(const struct mailbox *m)
{
	return m != NULL;
}

int mailbox_append(struct mailbox *m, const struct message_new *v, unsigned n, uint32_t *first_uid_r,
	uint64_t *lsn_r)
{
	(void)m;
	(void)v;
	assert_int_equal(n, 1);
	if (store.append) {
		errno = store.append;
		return -1;
	}
	*first_uid_r = 1;
	*lsn_r = ++store.last;
	return 0;
}

static int lookup(struct mail *m, struct str name, struct buf *words)
{
	(void)m;
	(void)words;
	(void)name;
	return 1;
}

static struct mail mail = {.hostname = "mx", .account_lookup = lookup};
static int peer;

static int setup(void **state)
{
	(void)state;
	log_init("test", 0, false);
	memset(&store, 0, sizeof(store));
	mail.loop = loop_new();
	mail.store = &store;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(peer);
	for (int i = 0; i < 10 && mail.sessions; i++)
		loop_turn(mail.loop, 0);
	assert_null(mail.sessions);
	loop_free(&mail.loop);
	return 0;
}

static const char *talk(const char *text)
{
	static char heard[4096];
	ssize_t n;

	assert_int_equal(send(peer, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	for (int i = 0; i < 4; i++)
		loop_turn(mail.loop, 0);
	n = recv(peer, heard, sizeof(heard) - 1, MSG_DONTWAIT);
	heard[n > 0 ? n : 0] = '\0';
	return heard;
}

static const char *start(const char *text)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	peer = fd[1];
	assert_int_equal(lmtp_session_start(&mail, fd[0], STR("pc"), &(struct lmtp_login){0}, STR("unix"),
		false, STR_NULL), 0);
	return talk(text);
}

static const char *after(int error)
{
	struct store_waiter *w = store.waiter;

	assert_non_null(w);
	store.waiter = NULL;
	if (!error)
		store.durable = store.last;
	w->done(w, error);
	return talk("");
}

#define TWO "MAIL FROM:<a>\r\nRCPT TO:<x>\r\nRCPT TO:<y>\r\nDATA\r\n\r\nhi\r\n.\r\n"
#define ASKED "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n"
#define GO "354 Go ahead, end with CRLF . CRLF\r\n"
#define UNAVAILABLE "451 4.3.0 Mail store is not available, try again later\r\n"
#define END "421 4.3.0 mx Mail store is not available, try again later\r\n"

static void test_no_word_before_the_messages_are_durable(void **state)
{
	(void)state;
	start("MAIL FROM:<a>\r\nRCPT TO:<x>\r\nRCPT TO:<y>\r\nDATA\r\n");
	assert_string_equal(talk("\r\nhi\r\n.\r\nNOOP\r\n"), "");
	assert_int_equal(store.waiter->lsn, 2);
	assert_string_equal(after(0), "250 2.1.5 <x> stored\r\n250 2.1.5 <y> stored\r\n250 2.0.0 Ok\r\n");
}

static void test_a_failed_sync_turns_each_waiting_reply_into_451(void **state)
{
	(void)state;
	assert_string_equal(start("MAIL FROM:<a>\r\nRCPT TO:<x>\r\nRCPT TO:<y>\r\nDATA\r\n"), ASKED GO);
	assert_string_equal(talk("\r\nhi\r\n.\r\n"), "");
	assert_string_equal(after(EIO), UNAVAILABLE UNAVAILABLE END);
	assert_int_equal(recv(peer, (char[1]){0}, 1, 0), 0);
}

static void test_a_full_disk_turns_them_into_452(void **state)
{
	(void)state;
	start("MAIL FROM:<a>\r\nRCPT TO:<x>\r\nDATA\r\n");
	assert_string_equal(talk("\r\nhi\r\n.\r\n"), "");
	assert_string_equal(after(ENOSPC), "452 4.3.1 Out of disk space, try again later\r\n" END);
}

static void test_pipelined_transactions_are_all_lost_together(void **state)
{
	const char *said;
	unsigned lines = 0;

	(void)state;
	start("NOOP\r\n");
	assert_string_equal(talk(TWO TWO), "");
	assert_int_equal(store.last, 4);
	for (said = after(EIO); !strncmp(said, UNAVAILABLE, strlen(UNAVAILABLE)); lines++)
		said += strlen(UNAVAILABLE);
	assert_string_equal(said, END);
	assert_int_equal(lines, 4 + 2 + 4 + 2);
}

static void test_a_store_that_refuses_is_told_at_mail(void **state)
{
	static const struct {
		int error;
		const char *reply;
	} cases[] = {{EIO, "451 4.3.0"}, {ENOSPC, "452 4.3.1"}, {ENOMEM, "452 4.3.1"}};

	(void)state;
	start("NOOP\r\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		store.admits = cases[i].error;
		assert_memory_equal(talk("MAIL FROM:<a>\r\n"), cases[i].reply, 9);
	}
	store.admits = 0;
	assert_string_equal(talk("MAIL FROM:<a>\r\n"), "250 2.1.0 Ok\r\n");
}

static void test_a_budget_that_ends_within_the_text_is_told_after_it(void **state)
{
	(void)state;
	start("MAIL FROM:<a>\r\nRCPT TO:<x>\r\nDATA\r\n");
	talk("Subject: x\r\n");
	store.admits = ENOMEM;
	assert_string_equal(talk("\r\nmore\r\n"), "");
	assert_string_equal(talk(".\r\nNOOP\r\n"),
		"452 4.3.1 Out of memory, try again later\r\n250 2.0.0 Ok\r\n");
	assert_int_equal(store.last, 0);
}

static void test_errors_of_one_recipient_are_its_own(void **state)
{
	(void)state;
	start("MAIL FROM:<a>\r\nRCPT TO:<x>\r\nDATA\r\n");
	store.append = ENOSPC;
	assert_string_equal(talk("\r\nhi\r\n.\r\n"), "452 4.3.1 Out of disk space, try again later\r\n");
	store.append = EOVERFLOW;
	assert_string_equal(talk("MAIL FROM:<a>\r\nRCPT TO:<x>\r\nDATA\r\n.\r\n"), "250 2.1.0 Ok\r\n"
		"250 2.1.5 Ok\r\n" GO "552 5.2.2 Mailbox can take no more messages\r\n");
	store.append = 0;
	store.account = EIO;
	assert_string_equal(talk("MAIL FROM:<a>\r\nRCPT TO:<x>\r\nDATA\r\n.\r\n"),
		"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n" GO UNAVAILABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_no_word_before_the_messages_are_durable),
		T(test_a_failed_sync_turns_each_waiting_reply_into_451),
		T(test_a_full_disk_turns_them_into_452),
		T(test_pipelined_transactions_are_all_lost_together),
		T(test_a_store_that_refuses_is_told_at_mail),
		T(test_a_budget_that_ends_within_the_text_is_told_after_it),
		T(test_errors_of_one_recipient_are_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
