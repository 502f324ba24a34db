/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/imap/commands.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct prelogin *begin(struct prelogin *p, bool secure)
{
	*p = (struct prelogin){.hostname = "mail.example.org", .secure = secure};
	return p;
}

static void end(struct prelogin *p)
{
	buf_free(&p->in);
	buf_free(&p->out);
	buf_free(&p->auth);
	buf_free(&p->tag);
}

/* Feeds text and returns all that was answered since the last call. */
static const char *feed(struct prelogin *p, const char *text)
{
	static char answer[8192];

	buf_clear(&p->out);
	buf_adds(&p->in, text);
	imap_prelogin_input(p);
	assert_true(p->out.len < sizeof(answer));
	if (p->out.len)
		memcpy(answer, buf_str(&p->out).p, p->out.len);
	answer[p->out.len] = 0;
	return answer;
}

static void assert_says(const char *answer, const char *part)
{
	if (!strstr(answer, part))
		fail_msg("expected \"%s\" in \"%s\"", part, answer);
}

static void the_greeting_tells_what_may_be_done(void **state)
{
	struct prelogin p;
	const char *answer;

	(void)state;
	imap_prelogin_greet(begin(&p, false));
	answer = feed(&p, "");
	imap_prelogin_greet(&p);
	buf_addc(&p.out, 0);
	answer = p.out.data;
	assert_says(answer, "* OK [CAPABILITY IMAP4rev1 ");
	assert_says(answer, " LOGINDISABLED");
	assert_null(strstr(answer, "AUTH=PLAIN"));
	end(&p);
	imap_prelogin_greet(begin(&p, true));
	buf_addc(&p.out, 0);
	answer = p.out.data;
	assert_null(strstr(answer, "LOGINDISABLED"));
	assert_says(answer, " SASL-IR");
	assert_says(answer, " LITERAL+");
	assert_says(answer, "] mail.example.org Satchel ready\r\n");
	end(&p);
}

static void commands_are_answered(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{"a NOOP\r\n", "a OK "}, {"a noop\n", "a OK "}, {"a CAPABILITY\r\n", "* CAPABILITY IMAP4rev1"},
		{"a NOOP x\r\n", "a BAD "}, {"a SELECT INBOX\r\n", "a BAD Log in first"},
		{"a UID FETCH 1 FLAGS\r\n", "a BAD Log in first"}, {"a XYZZY\r\n", "a BAD Unknown command"},
		{"\r\n", "* BAD "}, {"a\r\n", "* BAD "}, {"GET / HTTP/1.1\r\n", "GET BAD "},
		{"\x16\x03\x01\r\n", "* BAD "}, {"a LOGIN\r\n", "a BAD "}, {"a LOGIN x\r\n", "a BAD "},
		{"a LOGIN x y z\r\n", "a BAD "}, {"a LOGIN \"x y\r\n", "a BAD "},
		{"a AUTHENTICATE\r\n", "a BAD "}, {"a AUTHENTICATE NOSUCH\r\n", "a NO [CANNOT]"},
		{"a LOGIN {100000}\r\n", "a NO [TOOBIG]"}, {"a LOGIN {100000+}\r\n", "a BAD [TOOBIG]"},
		{"a LOGOUT\r\n", "* BYE Logging out\r\na OK "},
		{"a APPEND INBOX {1}\r\n", "a BAD Log in first"}, {"a X {1}\r\n", "a BAD Unknown command"},
		{"a LOGIN {5}\r\n", "+ OK\r\n"}, {"a LOGIN {5+}\r\nalice {6}\r\n", "+ OK\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct prelogin p;

		assert_says(feed(begin(&p, true), cases[i].in), cases[i].out);
		end(&p);
	}
}

static void expect_login(struct prelogin *p, const char *tag, const char *user, const char *password)
{
	struct cursor c = cursor_from(buf_str(&p->auth));

	assert_int_equal(p->want, PRELOGIN_AUTH);
	assert_true(p->auth_first);
	assert_true(str_eq(buf_str(&p->tag), str_from(tag)));
	assert_int_equal(cursor_u8(&c), 0);
	assert_true(str_eq(cursor_str(&c, 1000), str_from(user)));
	assert_true(str_eq(cursor_str(&c, 1000), str_from(password)));
	assert_true(cursor_done(&c) && !c.failed);
}

static void login_takes_every_kind_of_string(void **state)
{
	struct prelogin p;

	(void)state;
	feed(begin(&p, true), "a1 LOGIN alice secret\r\n");
	expect_login(&p, "a1", "alice", "secret");
	end(&p);
	feed(begin(&p, true), "a1 login \"alice\" \"s \\\"\\\\\"\r\n");
	expect_login(&p, "a1", "alice", "s \"\\");
	end(&p);
	feed(begin(&p, true), "a1 LOGIN {5+}\r\nalice {3+}\r\na\r\n\r\n");
	expect_login(&p, "a1", "alice", "a\r\n");
	end(&p);
	assert_string_equal(feed(begin(&p, true), "a1 LOGIN {5}\r\n"), "+ OK\r\n");
	assert_string_equal(feed(&p, "al"), "");
	assert_string_equal(feed(&p, "ice {6}\r\n"), "+ OK\r\n");
	assert_string_equal(feed(&p, "secret\r\n"), "");
	expect_login(&p, "a1", "alice", "secret");
	end(&p);
}

static void what_follows_a_login_waits_for_its_end(void **state)
{
	struct prelogin p;

	(void)state;
	assert_string_equal(feed(begin(&p, true), "a LOGIN x y\r\nb NOOP\r\nc SELECT INBOX\r\n"), "");
	assert_int_equal(p.want, PRELOGIN_AUTH);
	imap_prelogin_auth(&p, PRELOGIN_AUTH_FAILED, STR(""));
	buf_addc(&p.out, 0);
	assert_says(p.out.data, "a NO [AUTHENTICATIONFAILED]");
	assert_says(p.out.data, "b OK ");
	assert_says(p.out.data, "c BAD ");
	assert_int_equal(p.want, PRELOGIN_READ);
	end(&p);
	feed(begin(&p, true), "a LOGIN x y\r\nc SELECT INBOX\r\n");
	imap_prelogin_auth(&p, PRELOGIN_AUTH_OK, STR(""));
	assert_int_equal(p.want, PRELOGIN_HANDOFF);
	assert_true(str_eq(buf_str(&p.in), STR("c SELECT INBOX\r\n")));
	end(&p);
}

static void passwords_are_refused_in_clear(void **state)
{
	struct prelogin p;

	(void)state;
	assert_says(feed(begin(&p, false), "a LOGIN alice secret\r\n"), "a NO [PRIVACYREQUIRED]");
	assert_int_equal(p.want, PRELOGIN_READ);
	assert_int_equal(p.auth.len, 0);
	end(&p);
}

/* The mechanism is a feature and may be left out. */
static bool offers_plain(void)
{
	const struct prelogin p = {.secure = true};
	struct buf words = {0};
	bool has;

	imap_add_capabilities(&words, IMAP_NOT_AUTHENTICATED, &p);
	buf_addc(&words, 0);
	has = strstr(words.data, " AUTH=PLAIN") != NULL;
	buf_free(&words);
	return has;
}

static void expect_sasl(struct prelogin *p, bool has_initial, struct str initial)
{
	struct cursor c = cursor_from(buf_str(&p->auth));

	assert_int_equal(p->want, PRELOGIN_AUTH);
	assert_true(p->auth_first);
	assert_int_equal(cursor_u8(&c), 1);
	assert_true(str_ieq(cursor_str(&c, 1000), STR("PLAIN")));
	assert_int_equal(cursor_u8(&c), has_initial);
	assert_true(str_eq(cursor_str(&c, 1000), initial));
	assert_true(cursor_done(&c) && !c.failed);
}

static void sasl_works_with_and_without_initial_response(void **state)
{
	struct prelogin p;
	struct cursor c;

	(void)state;
	if (!offers_plain())
		return;
	feed(begin(&p, true), "a AUTHENTICATE plain AGFsaWNlAHNlY3JldA==\r\n");
	expect_sasl(&p, true, STR("\0alice\0secret"));
	end(&p);
	feed(begin(&p, true), "a AUTHENTICATE PLAIN =\r\n");
	expect_sasl(&p, true, STR(""));
	end(&p);
	assert_says(feed(begin(&p, true), "a AUTHENTICATE PLAIN !!!\r\n"), "a BAD ");
	end(&p);
	feed(begin(&p, true), "a AUTHENTICATE PLAIN\r\n");
	expect_sasl(&p, false, STR(""));
	imap_prelogin_auth(&p, PRELOGIN_AUTH_CONTINUE, STR("hi"));
	assert_true(str_eq(buf_str(&p.out), STR("+ aGk=\r\n")));
	feed(&p, "AGFsaWNlAHNlY3JldA==\r\n");
	assert_int_equal(p.want, PRELOGIN_AUTH);
	assert_false(p.auth_first);
	c = cursor_from(buf_str(&p.auth));
	assert_true(str_eq(cursor_str(&c, 1000), STR("\0alice\0secret")));
	imap_prelogin_auth(&p, PRELOGIN_AUTH_OK, STR(""));
	assert_int_equal(p.want, PRELOGIN_HANDOFF);
	end(&p);
}

static void a_sasl_exchange_can_be_cancelled(void **state)
{
	static const char *const ends[] = {"*\r\n", "not base64\r\n", "AA=A\r\n"};

	(void)state;
	if (!offers_plain())
		return;
	for (size_t i = 0; i < N(ends); i++) {
		struct prelogin p;

		feed(begin(&p, true), "a AUTHENTICATE PLAIN\r\n");
		imap_prelogin_auth(&p, PRELOGIN_AUTH_CONTINUE, STR(""));
		assert_says(feed(&p, ends[i]), "a BAD ");
		assert_true(p.auth_abort);
		assert_int_equal(p.want, PRELOGIN_READ);
		assert_says(feed(&p, "b NOOP\r\n"), "b OK ");
		end(&p);
	}
}

static void a_reason_cannot_forge_lines(void **state)
{
	struct prelogin p;

	(void)state;
	feed(begin(&p, true), "a LOGIN x y\r\n");
	imap_prelogin_auth(&p, PRELOGIN_AUTH_REFUSED, STR("no\r\na OK yes"));
	buf_addc(&p.out, 0);
	assert_null(strstr(p.out.data, "\na OK"));
	assert_says(p.out.data, "a NO [CANNOT] no  a OK yes\r\n");
	end(&p);
}

static void too_many_errors_end_the_connection(void **state)
{
	struct prelogin p;
	int i;

	(void)state;
	begin(&p, true);
	for (i = 0; i < 50 && p.want != PRELOGIN_CLOSE; i++)
		feed(&p, "a XYZZY\r\n");
	assert_int_equal(p.want, PRELOGIN_CLOSE);
	assert_in_range(i, 3, 20);
	assert_string_equal(feed(&p, "a NOOP\r\n"), "");
	end(&p);
}

static void a_line_without_end_is_cut_off(void **state)
{
	struct prelogin p;
	struct buf line = {0};
	const char *answer;

	(void)state;
	buf_adds(&line, "tag7 LOGIN ");
	for (int i = 0; i < CONFIG_PRELOGIN_LINE_MAX; i++)
		buf_addc(&line, 'x');
	buf_addc(&line, 0);
	answer = feed(begin(&p, true), line.data);
	assert_says(answer, "tag7 BAD Line too long\r\n* BYE ");
	assert_int_equal(p.want, PRELOGIN_CLOSE);
	end(&p);
	buf_free(&line);
}

static void nul_bytes_are_bad(void **state)
{
	struct prelogin p;

	(void)state;
	begin(&p, true);
	buf_add(&p.in, "a LOGIN x \"a\0b\"\r\n", 17);
	assert_says(feed(&p, ""), "a BAD ");
	end(&p);
}

static void bytes_may_come_one_at_a_time(void **state)
{
	static const char text[] = "a LOGIN {5}\r\nalice \"sec ret\"\r\n";
	struct prelogin p;

	(void)state;
	begin(&p, true);
	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		char one[2] = {text[i], 0};

		feed(&p, one);
	}
	expect_login(&p, "a", "alice", "sec ret");
	end(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_greeting_tells_what_may_be_done),
		cmocka_unit_test(commands_are_answered),
		cmocka_unit_test(login_takes_every_kind_of_string),
		cmocka_unit_test(what_follows_a_login_waits_for_its_end),
		cmocka_unit_test(passwords_are_refused_in_clear),
		cmocka_unit_test(sasl_works_with_and_without_initial_response),
		cmocka_unit_test(a_sasl_exchange_can_be_cancelled),
		cmocka_unit_test(a_reason_cannot_forge_lines),
		cmocka_unit_test(too_many_errors_end_the_connection),
		cmocka_unit_test(a_line_without_end_is_cut_off),
		cmocka_unit_test(nul_bytes_are_bad),
		cmocka_unit_test(bytes_may_come_one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
