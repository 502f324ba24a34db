/* SPDX-License-Identifier: 0BSD */
/* Sessions over a socketpair, with the real store below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/imap_help.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void append(struct client *c, const char *mailbox, const char *message)
{
	char command[512];

	snprintf(command, sizeof(command), "APPEND %s {%zu+}\r\n%s", mailbox, strlen(message), message);
	assert_says(ask(c, command), "t OK [APPENDUID ");
}

static void a_new_account_has_an_inbox(void **state)
{
	struct client c;
	const char *answer;

	connects(&c, *state, "");
	assert_says(ask(&c, "LIST \"\" *"), "* LIST (\\HasNoChildren) \"/\" INBOX\r\n");
	answer = ask(&c, "SELECT inbox");
	assert_says(answer, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n");
	assert_says(answer, "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)]");
	assert_says(answer, "* 0 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY ");
	assert_says(answer, "* OK [UIDNEXT 1]");
	assert_says(answer, "t OK [READ-WRITE] ");
	leaves(&c);
}

static void commands_may_arrive_with_the_login(void **state)
{
	struct client c;

	connects(&c, *state, "a NOOP\r\nb SELECT INBOX\r\nc STATUS INBOX (MESSAGES)\r\nd NO");
	until(&c, "c OK");
	sends(&c, "OP\r\n", 4);
	until(&c, "d OK");
	assert_true(strstr(text_of(&c), "a OK") < strstr(text_of(&c), "b OK"));
	leaves(&c);
}

/* Each command with what its answer must hold; "!" in front: must not hold. */
struct step {
	const char *command;
	const char *parts[4];
};

static void play(struct client *c, const struct step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *answer = ask(c, steps[i].command);

		for (size_t k = 0; k < 4 && steps[i].parts[k]; k++) {
			const char *part = steps[i].parts[k];

			if (*part == '!')
				assert_silent_on(answer, part + 1);
			else
				assert_says(answer, part);
		}
	}
}

static void mailboxes_are_made_renamed_and_removed(void **state)
{
	static const struct step steps[] = {
		{"CREATE a/b/", {"t OK"}},
		{"CREATE a/b", {"t NO [ALREADYEXISTS]"}},
		{"CREATE inbox", {"t NO"}},
		{"CREATE \"\"", {"t NO"}},
		{"LIST \"\" %", {"* LIST (\\HasChildren) \"/\" a\r\n", "INBOX", "!a/b"}},
		{"LIST a/ %", {"* LIST (\\HasNoChildren) \"/\" a/b\r\n", "!INBOX"}},
		{"LIST \"\" \"\"", {"* LIST (\\Noselect) \"/\" \"\"\r\n", "!INBOX"}},
		{"LIST \"\" inb%", {"!INBOX"}},
		{"LIST \"\" InBox", {" INBOX\r\n"}},
		{"DELETE a", {"t NO [HASCHILDREN]"}},
		{"DELETE INBOX", {"t NO [CANNOT]"}},
		{"DELETE nosuch", {"t NO [NONEXISTENT]"}},
		{"RENAME a x/y", {"t OK"}},
		{"LIST \"\" *", {" x\r\n", " x/y\r\n", " x/y/b\r\n", "!/\" a"}},
		{"RENAME nosuch z", {"t NO [NONEXISTENT]"}},
		{"RENAME x INBOX", {"t NO"}},
		{"CREATE \"Entw&APw-rfe\"", {"t OK"}},
		{"LIST \"\" Entw*", {" Entw&APw-rfe\r\n"}},
		{"SELECT \"Entw\xc3\xbcrfe\"", {"t OK [READ-WRITE]"}},
		{"SELECT nosuch", {"* OK [CLOSED]", "t NO [NONEXISTENT]"}},
		{"CHECK", {"t BAD"}},
		{"DELETE x/y/b", {"t OK"}},
		{"CREATE", {"t BAD"}}, {"CREATE a b", {"t BAD"}}, {"RENAME a", {"t BAD"}}, {"LIST", {"t BAD"}},
	};
	struct client c;

	connects(&c, *state, "");
	play(&c, steps, N(steps));
	leaves(&c);
}

static void list_knows_its_options(void **state)
{
	static const struct step steps[] = {
		{"CREATE a/b", {"t OK"}}, {"CREATE a/c", {"t OK"}}, {"SUBSCRIBE a/b", {"t OK"}},
		{"LIST (SUBSCRIBED) \"\" *", {"* LIST (\\HasNoChildren \\Subscribed) \"/\" a/b\r\n", "!INBOX", "!a/c"}},
		{"LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %",
			{"* LIST (\\HasChildren) \"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n", "!INBOX"}},
		{"LIST (RECURSIVEMATCH) \"\" *", {"t BAD"}},
		{"LIST (SUBSCRIBED REMOTE) \"\" *", {"a/b", "t OK"}},
		{"LIST () \"\" (a/b INBOX)", {" a/b\r\n", " INBOX\r\n", "!a/c"}},
		{"LIST \"\" * RETURN (SUBSCRIBED CHILDREN)",
			{"(\\HasNoChildren \\Subscribed) \"/\" a/b\r\n", "(\\HasNoChildren) \"/\" a/c\r\n"}},
		{"LIST \"\" a/% RETURN (STATUS (MESSAGES UNSEEN))",
			{"* STATUS a/b (MESSAGES 0 UNSEEN 0)\r\n", "* STATUS a/c ", "!STATUS INBOX"}},
		{"LIST \"\" * RETURN (SPECIAL-USE STATUS (UNSEEN))", {"* STATUS INBOX (UNSEEN 0)", "t OK"}},
		{"LIST (SPECIAL-USE) \"\" *", {"!INBOX", "t OK"}},
		{"LIST (subscribed) \"\" \"*\" return (special-use)", {"a/b", "t OK"}},
		{"LIST \"\" * RETURN ()", {"INBOX", "t OK"}},
		{"LIST (NOSUCH) \"\" *", {"t BAD"}}, {"LIST \"\" * RETURN (NOSUCH)", {"t BAD"}},
		{"LIST \"\" * RETURN (STATUS (NOSUCH))", {"t BAD"}}, {"LIST \"\" * x", {"t BAD"}},
		{"LSUB \"\" *", {"* LSUB () \"/\" a/b\r\n", "!INBOX"}},
		{"LSUB \"\" %", {"* LSUB (\\Noselect) \"/\" a\r\n", "!a/b"}},
		{"UNSUBSCRIBE a/b", {"t OK"}}, {"LSUB \"\" *", {"!a/b", "t OK"}},
	};
	struct client c;

	connects(&c, *state, "");
	play(&c, steps, N(steps));
	leaves(&c);
}

static void usual_names_have_their_special_use(void **state)
{
	static const struct step steps[] = {
		{"LIST (SPECIAL-USE) \"\" *", {"t OK", "!* LIST"}},
		{"CREATE Sent", {"t OK"}}, {"CREATE sent", {"t OK"}}, {"CREATE a/Trash", {"t OK"}},
		{"CREATE Junk/", {"t OK"}},
		{"LIST \"\" *", {"(\\HasNoChildren \\Sent) \"/\" Sent\r\n", "(\\HasNoChildren) \"/\" sent\r\n",
			"(\\HasNoChildren) \"/\" a/Trash\r\n", "\\Junk) \"/\" Junk\r\n"}},
		{"LIST (SPECIAL-USE) \"\" * RETURN (SPECIAL-USE)", {" Sent\r\n", " Junk\r\n", "!INBOX", "!Trash"}},
		{"RENAME Sent Posted", {"t OK"}},
		{"LIST \"\" Posted", {"(\\HasNoChildren \\Sent) \"/\" Posted\r\n"}},
		{"DELETE Posted", {"t OK"}}, {"CREATE Sent", {"t OK"}},
		{"LIST \"\" Sent", {"\\Sent) \"/\" Sent\r\n"}},
	};
	struct client c;

	connects(&c, *state, "");
	play(&c, steps, N(steps));
	leaves(&c);
}

static void status_tells_numbers(void **state)
{
	static const struct step steps[] = {
		{"STATUS INBOX (MESSAGES UIDNEXT UNSEEN DELETED SIZE RECENT)",
			{"* STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 3 UNSEEN 1 DELETED 0 SIZE 21)\r\n"}},
		{"STATUS inbox (UIDVALIDITY)", {"* STATUS INBOX (UIDVALIDITY "}},
		{"STATUS nosuch (MESSAGES)", {"t NO [NONEXISTENT]"}},
		{"STATUS INBOX ()", {"t BAD"}}, {"STATUS INBOX (NOSUCH)", {"t BAD"}}, {"STATUS INBOX", {"t BAD"}},
		{"STATUS INBOX (MESSAGES", {"t BAD"}},
	};
	struct client c;

	connects(&c, *state, "");
	append(&c, "INBOX (\\Seen)", "A: 1\r\n\r\nx\r\n");
	append(&c, "INBOX", "A: 2\r\n\r\ny\r");
	play(&c, steps, N(steps));
	leaves(&c);
}

static void append_keeps_flags_date_and_bytes(void **state)
{
	struct client c;
	const char *answer;

	connects(&c, *state, "");
	append(&c, "INBOX (\\Flagged $Junk own) \" 1-Feb-2024 12:00:00 +0100\"", "Subject: x\r\n\r\nbody\r\n");
	answer = ask(&c, "SELECT INBOX");
	assert_says(answer, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk own)\r\n");
	assert_says(answer, "* 1 EXISTS\r\n");
	answer = ask(&c, "FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])");
	assert_says(answer, "\\Flagged");
	assert_says(answer, "$Junk own");
	assert_says(answer, "\" 1-Feb-2024 12:00:00 +0100\"");
	assert_says(answer, "{20}\r\nSubject: x\r\n\r\nbody\r\n");
	append(&c, "INBOX", "Subject: y\r\n\r\n");
	assert_says(text_of(&c), "* 2 EXISTS\r\n");
	leaves(&c);
}

static void append_is_refused_before_the_message_is_sent(void **state)
{
	static const struct step steps[] = {
		{"APPEND nosuch {5}", {"t NO [TRYCREATE]", "!+ "}},
		{"APPEND INBOX {9999999999}", {"t NO [TOOBIG]", "!+ "}},
		{"APPEND INBOX {99999999999999999999999}", {"t NO [TOOBIG]", "!+ "}},
		{"APPEND INBOX (\\Nosuch) {5}", {"t BAD", "!+ "}},
		{"APPEND INBOX \"yesterday\" {5}", {"t BAD", "!+ "}},
		{"APPEND INBOX x {5}", {"t BAD", "!+ "}},
		{"APPEND INBOX", {"t BAD"}}, {"APPEND", {"t BAD"}}, {"APPEND INBOX message", {"t BAD"}},
		{"APPEND INBOX {0}", {"t NO", "!+ "}},
		/* Without asking first, what was sent is thrown away whole. */
		{"APPEND nosuch {8+}\r\nx NOOP\r\n", {"t NO [TRYCREATE]", "!x OK"}},
		{"APPEND INBOX {3+}\r\nA\x01" "B {4+}\r\nNOOP", {"t BAD"}},
		{"NOOP", {"t OK", "!EXISTS"}},
		{"STATUS INBOX (MESSAGES)", {"(MESSAGES 0)"}},
	};
	struct client c;

	connects(&c, *state, "");
	play(&c, steps, N(steps));
	leaves(&c);
}

static void append_waits_for_the_literal_it_asked_for(void **state)
{
	struct client c;

	connects(&c, *state, "");
	buf_clear(&c.got);
	sends(&c, "t APPEND {5}\r\n", 14);
	until(&c, "+ OK\r\n");
	buf_clear(&c.got);
	sends(&c, "INBOX (\\Seen) {12}\r\n", 20);
	until(&c, "+ OK\r\n");
	for (int i = 0; i < 12; i++)
		sends(&c, i < 6 ? "x" : "y", 1);
	assert_silent_on(text_of(&c), "t OK");
	sends(&c, "\r\n", 2);
	until(&c, "t OK [APPENDUID ");
	leaves(&c);
}

static void a_message_with_nul_is_refused(void **state)
{
	struct client c;

	connects(&c, *state, "");
	buf_clear(&c.got);
	sends(&c, "t APPEND INBOX {6+}\r\nab\0def\r\nu NOOP\r\n", 37);
	until(&c, "u OK");
	assert_says(text_of(&c), "t NO ");
	leaves(&c);
}

static void a_large_message_streams_in(void **state)
{
	enum { SIZE = 3 << 20 };
	char *line = malloc(SIZE);
	struct client c;
	int n;
	char head[64];

	assert_non_null(line);
	memset(line, 'x', SIZE);
	for (size_t i = 70; i + 1 < SIZE; i += 72)
		memcpy(line + i, "\r\n", 2);
	connects(&c, *state, "");
	n = snprintf(head, sizeof(head), "t APPEND INBOX {%d+}\r\n", SIZE);
	sends(&c, head, (size_t)n);
	sends(&c, line, SIZE);
	sends(&c, "\r\n", 2);
	until(&c, "t OK [APPENDUID ");
	assert_says(ask(&c, "STATUS INBOX (SIZE)"), "(SIZE 3145728)");
	leaves(&c);
	free(line);
}

static void bad_input_is_answered_with_its_tag(void **state)
{
	static const struct step steps[] = {
		{"XYZZY", {"t BAD Unknown command"}}, {"UID", {"t BAD"}}, {"UID SELECT INBOX", {"t BAD"}},
		{"UID \"x\"", {"t BAD"}}, {"", {"t BAD"}}, {"FETCH 1 FLAGS", {"t BAD Select a mailbox first"}},
		{"LOGIN a b", {"t BAD Not after login"}}, {"AUTHENTICATE PLAIN", {"t BAD"}},
		{"NOOP x", {"t BAD"}}, {"CAPABILITY x", {"t BAD"}}, {"CLOSE", {"t BAD"}},
		{"SELECT {999999999}", {"t NO [TOOBIG]", "!+ "}},
		{"SELECT {5+}\r\nINBOX", {"t OK"}},
		{"ENABLE", {"t BAD"}}, {"ENABLE NOSUCH", {"* ENABLED\r\n", "t OK"}},
	};
	struct client c;

	connects(&c, *state, "");
	play(&c, steps, N(steps));
	buf_clear(&c.got);
	sends(&c, "\r\n", 2);
	until(&c, "* BAD ");
	buf_clear(&c.got);
	sends(&c, "t STATUS \"a\0b\" (MESSAGES)\r\n", 28);
	until(&c, "t BAD ");
	leaves(&c);
}

static void a_refused_literal_is_swallowed(void **state)
{
	enum { SIZE = 1 << 20 };
	char *junk = malloc(SIZE), head[64];
	struct client c;

	assert_non_null(junk);
	memset(junk, '\n', SIZE);
	connects(&c, *state, "");
	buf_clear(&c.got);
	sends(&c, head, (size_t)snprintf(head, sizeof(head), "t SELECT {%d+}\r\n", SIZE));
	sends(&c, junk, SIZE);
	sends(&c, " {3+}\r\nabc rest\r\nu NOOP\r\n", 25);
	until(&c, "u OK");
	assert_says(text_of(&c), "t NO [TOOBIG]");
	assert_silent_on(text_of(&c), "BAD");
	leaves(&c);
	free(junk);
}

static void a_line_too_long_is_thrown_away(void **state)
{
	char *junk = malloc(CONFIG_IMAP_LINE_MAX + 1);
	struct client c;

	assert_non_null(junk);
	memset(junk, 'x', CONFIG_IMAP_LINE_MAX);
	connects(&c, *state, "");
	buf_clear(&c.got);
	sends(&c, "t SELECT ", 9);
	sends(&c, junk, CONFIG_IMAP_LINE_MAX);
	sends(&c, junk, CONFIG_IMAP_LINE_MAX);
	sends(&c, "\r\nu NOOP\r\n", 10);
	until(&c, "u OK");
	assert_says(text_of(&c), "t BAD Command too long\r\n");
	leaves(&c);
	free(junk);
}

static void too_many_bad_commands_end_the_session(void **state)
{
	struct client c;

	connects(&c, *state, "");
	for (int i = 0; i < 40; i++)
		sends(&c, "t XYZZY\r\n", 9);
	until(&c, "* BYE Too many bad commands");
	for (int i = 0; i < 1000 && !c.eof; i++)
		turn(&c);
	assert_true(c.eof);
	leaves(&c);
}

static void logout_says_goodbye(void **state)
{
	struct client c;

	connects(&c, *state, "");
	buf_clear(&c.got);
	sends(&c, "t LOGOUT\r\nu NOOP\r\n", 18);
	until(&c, "* BYE Logging out\r\nt OK ");
	for (int i = 0; i < 1000 && !c.eof; i++)
		turn(&c);
	assert_true(c.eof);
	assert_silent_on(text_of(&c), "u OK");
	leaves(&c);
}

static void what_was_sent_before_the_end_is_answered(void **state)
{
	struct client c;

	connects(&c, *state, "");
	sends(&c, "a CREATE x\r\nb LIST \"\" *\r\nc NO", 28);
	shutdown(c.fd, SHUT_WR);
	for (int i = 0; i < 1000 && !c.eof; i++)
		turn(&c);
	assert_says(text_of(&c), "a OK");
	assert_says(text_of(&c), "b OK");
	assert_true(c.eof);
	leaves(&c);
}

static void thousands_of_pipelined_commands_are_answered_in_order(void **state)
{
	enum { COUNT = 5000 };
	struct buf all = {0};
	struct client c;
	const char *at;

	for (unsigned i = 0; i < COUNT; i++) {
		buf_addc(&all, 'p');
		buf_addu(&all, i);
		buf_adds(&all, i % 7 ? " NOOP\r\n" : " STATUS INBOX (MESSAGES UIDNEXT)\r\n");
	}
	connects(&c, *state, "");
	sends(&c, buf_str(&all).p, all.len);
	at = until(&c, "p4999 OK");
	for (unsigned i = 0; i < COUNT; i++) {
		char tag[32];

		snprintf(tag, sizeof(tag), "\np%u OK", i);
		at = strstr(at, tag);
		assert_non_null(at);
	}
	buf_free(&all);
	leaves(&c);
}

static void one_session_does_not_starve_another(void **state)
{
	enum { COUNT = 4000 };
	struct buf all = {0};
	struct client a, b;

	for (unsigned i = 0; i < COUNT; i++)
		buf_adds(&all, i + 1 < COUNT ? "p NOOP\r\n" : "last NOOP\r\n");
	connects(&a, *state, "");
	connects(&b, *state, "");
	sends(&a, buf_str(&all).p, 16000);
	ask(&b, "NOOP");
	assert_silent_on(text_of(&a), "last OK");
	sends(&a, buf_str(&all).p + 16000, all.len - 16000);
	until(&a, "last OK");
	buf_free(&all);
	leaves(&a);
	leaves(&b);
}

static void nothing_is_told_before_it_is_durable(void **state)
{
	static const char *const changes[] = {
		"CREATE x", "SUBSCRIBE x", "RENAME x y", "APPEND y {8+}\r\nA: b\r\n\r\n", "SELECT y",
		"STORE 1 +FLAGS (\\Deleted own)", "COPY 1 INBOX", "EXPUNGE", "UNSUBSCRIBE x", "DELETE y",
		"LIST \"\" *", "STATUS INBOX (MESSAGES)",
	};
	struct spool *spool = *state;
	struct client c, other;

	connects(&c, spool, "");
	connects(&other, spool, "");
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < N(changes); i++) {
			assert_says(ask(&c, changes[i]), "t OK");
			assert_true(store_durable(spool->s) >= store_last_lsn(spool->s));
		}
		/* What another session does is told just as late. */
		ask(&other, "SELECT INBOX");
		buf_clear(&c.got);
		sends(&c, "t APPEND INBOX {8+}\r\nA: b\r\n\r\n\r\n", 31);
		ask(&other, "NOOP");
		if (strstr(text_of(&other), "EXISTS"))
			assert_true(store_durable(spool->s) >= mailbox_lsn(help_inbox(spool, "alice")));
		until(&c, "t OK");
	}
	leaves(&c);
	leaves(&other);
}

static void a_session_ends_at_a_command_boundary_when_told(void **state)
{
	struct client c;

	connects(&c, *state, "");
	ask(&c, "SELECT INBOX");
	c.mail.sessions->end(c.mail.sessions, "Shutting down");
	until(&c, "* BYE [UNAVAILABLE] Shutting down\r\n");
	for (int i = 0; i < 1000 && !c.eof; i++)
		turn(&c);
	assert_true(c.eof);
	leaves(&c);
}

static void other_sessions_changes_show_with_the_next_command(void **state)
{
	struct client a, b;

	connects(&a, *state, "");
	connects(&b, *state, "");
	ask(&a, "SELECT INBOX");
	append(&b, "INBOX", "A: 1\r\n\r\n");
	append(&b, "INBOX", "A: 2\r\n\r\n");
	assert_says(ask(&a, "NOOP"), "* 2 EXISTS\r\n* 2 RECENT\r\n");
	ask(&b, "SELECT INBOX");
	ask(&b, "STORE 1 +FLAGS (\\Deleted new)");
	assert_says(ask(&a, "NOOP"), "* 1 FETCH (FLAGS (");
	assert_says(text_of(&a), "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft new)\r\n");
	assert_says(ask(&b, "CLOSE"), "t OK");
	assert_silent_on(ask(&a, "FETCH 2 UID"), "EXPUNGE");
	assert_says(ask(&a, "NOOP"), "* 1 EXPUNGE\r\n");
	assert_says(ask(&a, "EXAMINE INBOX"), "* OK [CLOSED]");
	assert_says(text_of(&a), "* OK [PERMANENTFLAGS ()]");
	assert_says(text_of(&a), "t OK [READ-ONLY]");
	leaves(&a);
	leaves(&b);
}

static void a_deleted_mailbox_ends_the_sessions_that_read_it(void **state)
{
	struct client a, b;

	connects(&a, *state, "");
	connects(&b, *state, "");
	ask(&a, "CREATE x");
	ask(&a, "SELECT x");
	ask(&b, "DELETE x");
	sends(&a, "t NOOP\r\n", 8);
	until(&a, "* BYE The selected mailbox was deleted");
	leaves(&a);
	leaves(&b);
}

static void idle_sessions_own_little_memory(void **state)
{
	struct client c;
	struct imap_session *s;

	connects(&c, *state, "");
	ask(&c, "SELECT INBOX");
	ask(&c, "LIST \"\" *");
	for (int i = 0; i < 10; i++)
		turn(&c);
	s = (struct imap_session *)c.mail.sessions;
	assert_null(s->conn.in.data);
	assert_null(s->conn.out.data);
	assert_null(s->arena.head);
	assert_null(s->input->head.data);
	assert_true(sizeof(*s) + sizeof(*s->input) + feature_slots_size() < 2048);
	leaves(&c);
}

#define SPOOL_TEST(f) cmocka_unit_test_setup_teardown(f, help_setup, help_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SPOOL_TEST(a_new_account_has_an_inbox),
		SPOOL_TEST(commands_may_arrive_with_the_login),
		SPOOL_TEST(mailboxes_are_made_renamed_and_removed),
		SPOOL_TEST(list_knows_its_options),
		SPOOL_TEST(usual_names_have_their_special_use),
		SPOOL_TEST(status_tells_numbers),
		SPOOL_TEST(append_keeps_flags_date_and_bytes),
		SPOOL_TEST(append_is_refused_before_the_message_is_sent),
		SPOOL_TEST(append_waits_for_the_literal_it_asked_for),
		SPOOL_TEST(a_message_with_nul_is_refused),
		SPOOL_TEST(a_large_message_streams_in),
		SPOOL_TEST(bad_input_is_answered_with_its_tag),
		SPOOL_TEST(a_refused_literal_is_swallowed),
		SPOOL_TEST(a_line_too_long_is_thrown_away),
		SPOOL_TEST(too_many_bad_commands_end_the_session),
		SPOOL_TEST(logout_says_goodbye),
		SPOOL_TEST(what_was_sent_before_the_end_is_answered),
		SPOOL_TEST(thousands_of_pipelined_commands_are_answered_in_order),
		SPOOL_TEST(one_session_does_not_starve_another),
		SPOOL_TEST(nothing_is_told_before_it_is_durable),
		SPOOL_TEST(a_session_ends_at_a_command_boundary_when_told),
		SPOOL_TEST(other_sessions_changes_show_with_the_next_command),
		SPOOL_TEST(a_deleted_mailbox_ends_the_sessions_that_read_it),
		SPOOL_TEST(idle_sessions_own_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
