/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/lmtp/command.h"
#include "core/lmtp/data.h"
#include "core/lmtp/lmtp.h"

static void test_verbs_in_any_case(void **state)
{
	static const struct {
		const char *line;
		enum lmtp_verb verb;
	} cases[] = {
		{"LHLO pc", LMTP_LHLO}, {"lhlo pc", LMTP_LHLO}, {"Mail From:<>", LMTP_MAIL},
		{"RCPT", LMTP_RCPT}, {"data", LMTP_DATA}, {"DATA x", LMTP_DATA}, {"QUIT", LMTP_QUIT},
		{"EHLO x", LMTP_HELO}, {"HELO", LMTP_HELO}, {"", LMTP_UNKNOWN}, {" NOOP", LMTP_UNKNOWN},
		{"NOOPS", LMTP_UNKNOWN}, {"NOOP\tx", LMTP_UNKNOWN}, {"BDAT 3", LMTP_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cursor c = cursor_from(str_from(cases[i].line));

		assert_int_equal(lmtp_parse_verb(&c), cases[i].verb);
	}
}

/* address|local without quotes|domain, or NULL for a syntax error */
static const struct {
	const char *text, *expected;
} paths[] = {
	{" TO:<demo>", "demo|demo|"},
	{" to:<demo@example.org>", "demo@example.org|demo|example.org"},
	{" TO: <a@b>", "a@b|a|b"},
	{" TO:<>", "||"},
	{" TO:<postmaster>", "postmaster|postmaster|"},
	{" TO:<\"a b\"@c>", "\"a b\"@c|a b|c"},
	{" TO:<\"a\\\"\\\\b\">", "\"a\\\"\\\\b\"|a\"\\b|"},
	{" TO:<\"\"@c>", "\"\"@c||c"},
	{" TO:<@one,@two.example:user@host>", "user@host|user|host"},
	{" TO:<user@[127.0.0.1]>", "user@[127.0.0.1]|user|[127.0.0.1]"},
	{" TO:<a..b.@host>", "a..b.@host|a..b.|host"},
	{" TO:<a+folder@host>", "a+folder@host|a+folder|host"},
	{" TO:demo", NULL},
	{" TO:<demo", NULL},
	{" TO:<demo@>", NULL},
	{" TO:<@host>", NULL},
	{" TO:<@host:>", "||"},
	{" TO:<a b@host>", NULL},
	{" TO:<\"a>", NULL},
	{" TO:<\"a\\\">", NULL},
	{" TO:<a@b@c>", NULL},
	{" TO:<a@[b>", NULL},
	{" TO:<\xc3\xa9@host>", "\xc3\xa9@host|\xc3\xa9|host"},
	{" TO:<\"\xc3\xa9 \"@h\xc3\xb6st>", "\"\xc3\xa9 \"@h\xc3\xb6st|\xc3\xa9 |h\xc3\xb6st"},
	{" TO:<\xc3@host>", NULL},
	{" TO:<a@[\xc3\xa9]>", NULL},
	{" TO:<\"\xc3\"\xa9@host>", NULL},
	{" TO:<a\r@host>", NULL},
	{" FROM:<a@b>", NULL},
	{" TO", NULL},
	{"", NULL},
};

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		/* a heap copy without the zero, so that a sanitizer sees a read too far */
		size_t n = strlen(paths[i].text);
		char *copy = malloc(n ? n : 1);
		struct cursor c = cursor_from((struct str){memcpy(copy, paths[i].text, n), n});
		struct lmtp_path p;
		struct buf got = {0};
		int rc = lmtp_parse_path(&c, STR("TO:"), &p);

		if (!paths[i].expected) {
			if (rc != -1)
				fail_msg("accepted: %s", paths[i].text);
		} else {
			assert_int_equal(rc, 0);
			buf_addstr(&got, p.address);
			buf_addc(&got, '|');
			lmtp_add_local(&got, p.local);
			buf_addc(&got, '|');
			buf_addstr(&got, p.domain);
			buf_addc(&got, '\0');
			assert_string_equal(buf_str(&got).p, paths[i].expected);
			assert_true(cursor_done(&c));
		}
		buf_free(&got);
		free(copy);
	}
}

static void test_a_path_over_the_limit_is_refused(void **state)
{
	struct buf line = {0};
	struct lmtp_path p;
	struct cursor c;

	(void)state;
	buf_adds(&line, " TO:<");
	for (int i = 0; i <= LMTP_PATH_MAX; i++)
		buf_addc(&line, 'x');
	buf_addc(&line, '>');
	c = cursor_from(buf_str(&line));
	assert_int_equal(lmtp_parse_path(&c, STR("TO:"), &p), -1);
	buf_free(&line);
}

static void test_parameters(void **state)
{
	struct cursor c = cursor_from(STR(" SIZE=12  BODY=8BITMIME X-y "));
	struct str key, value;

	(void)state;
	assert_int_equal(lmtp_parse_param(&c, &key, &value), 1);
	assert_true(str_eq(key, STR("SIZE")) && str_eq(value, STR("12")));
	assert_int_equal(lmtp_parse_param(&c, &key, &value), 1);
	assert_true(str_eq(key, STR("BODY")) && str_eq(value, STR("8BITMIME")));
	assert_int_equal(lmtp_parse_param(&c, &key, &value), 1);
	assert_true(str_eq(key, STR("X-y")) && value.p == NULL);
	assert_int_equal(lmtp_parse_param(&c, &key, &value), 0);
	for (const char *const *bad = (const char *const[]){"x", " =", " a=", " a=b=c", " a=\x01", " ;", NULL};
		*bad; bad++) {
		c = cursor_from(str_from(*bad));
		assert_int_equal(lmtp_parse_param(&c, &key, &value), -1);
	}
}

static void test_clean_text_cannot_leave_its_comment(void **state)
{
	struct buf out = {0};

	(void)state;
	lmtp_add_clean(&out, STR("[::1] a\r\nb\\c\x7f\xff.org"));
	assert_true(str_eq(buf_str(&out), STR("[::1]?a??b?c??.org")));
	buf_free(&out);
}

/* ---- before MAIL ---- */

static struct str talk(struct prelogin *p, const char *text)
{
	static struct buf said;

	buf_free(&said);
	buf_clear(&p->out);
	buf_adds(&p->in, text);
	lmtp_prelogin_input(p);
	buf_addstr(&said, buf_str(&p->out));
	buf_addc(&said, '\0');
	said.len--;
	return buf_str(&said);
}

static void forget(struct prelogin *p)
{
	talk(p, "");
	buf_free(&p->in);
	buf_free(&p->out);
	buf_free(&p->lhlo);
	talk(&(struct prelogin){.hostname = ""}, "");
}

static void test_the_gate_hands_over_at_mail_with_the_rest_unread(void **state)
{
	struct prelogin p = {.hostname = "mx"};

	(void)state;
	lmtp_prelogin_greet(&p);
	assert_true(str_eq(buf_str(&p.out), STR("220 mx LMTP Satchel\r\n")));
	assert_string_equal(talk(&p, "MAIL FROM:<>\r\n").p, "503 5.5.1 Say LHLO first\r\n");
	talk(&p, "LHLO pc.example\r\nNOOP\r\nMAIL FROM:<a@b>\r\nRCPT TO:<x>\r\n");
	assert_int_equal(p.want, PRELOGIN_HANDOFF);
	assert_true(str_eq(buf_str(&p.lhlo), STR("pc.example")));
	assert_true(str_eq(buf_str(&p.in), STR("MAIL FROM:<a@b>\r\nRCPT TO:<x>\r\n")));
	buf_clear(&p.in);
	forget(&p);
}

static void test_half_lines_wait(void **state)
{
	struct prelogin p = {.hostname = "mx"};

	(void)state;
	assert_string_equal(talk(&p, "NO").p, "");
	assert_int_equal(p.want, PRELOGIN_READ);
	assert_string_equal(talk(&p, "OP\r\nQU").p, "250 2.0.0 Ok\r\n");
	assert_string_equal(talk(&p, "IT\n").p, "221 2.0.0 mx Bye\r\n");
	assert_int_equal(p.want, PRELOGIN_CLOSE);
	forget(&p);
}

static void test_a_line_too_long_is_passed_over_whole(void **state)
{
	struct prelogin p = {.hostname = "mx"};
	char *part = malloc(LMTP_LINE_MAX + 1);

	(void)state;
	memset(part, 'x', LMTP_LINE_MAX);
	part[LMTP_LINE_MAX] = '\0';
	assert_string_equal(talk(&p, part).p, "");
	assert_string_equal(talk(&p, part).p, "500 5.5.2 Line too long\r\n");
	assert_int_equal(p.in.len, 0);
	assert_string_equal(talk(&p, part).p, "");
	assert_int_equal(p.in.len, 0);
	assert_string_equal(talk(&p, "QUIT\r\nNOOP\r\n").p, "250 2.0.0 Ok\r\n");
	free(part);
	forget(&p);
}

static void test_too_many_errors_end_it(void **state)
{
	struct prelogin p = {.hostname = "mx"};
	struct str said = STR("");

	(void)state;
	for (int i = 0; i < LMTP_ERRORS_MAX; i++) {
		assert_int_equal(p.want, PRELOGIN_READ);
		said = talk(&p, "GET / HTTP/1.1\r\n");
	}
	assert_string_equal(said.p, "500 5.5.1 Unknown command\r\n421 4.7.0 mx Too many errors\r\n");
	assert_int_equal(p.want, PRELOGIN_CLOSE);
	p.want = PRELOGIN_READ;
	forget(&p);
}

/* ---- the text after DATA ---- */

/* in, stored, what is left over; NULL: the end was not seen */
static const struct {
	const char *in, *stored, *rest;
} texts[] = {
	{".\r\n", "", ""},
	{"a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n"},
	{"..\r\n.\r\n", ".\r\n", ""},
	{"...\r\n..a\r\n.\r\n", "..\r\n.a\r\n", ""},
	{".a\r\n.\r\n", "a\r\n", ""},
	{"\r\n\r\n.\r\n", "\r\n\r\n", ""},
	{"a\nb\n.\r\n.\r\n", "a\r\nb\r\n.\r\n", ""},
	{"a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", ""},
	{"a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n", ""},
	{"a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", ""},
	{"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", ""},
	{"a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", ""},
	{"a\r\r\n.\r\n", "a\r\r\n", ""},
	{"\n\r\n.\r\n", "\r\n\r\n", ""},
	{"a\r\n.", "a\r\n", NULL},
	{"a\r\n.\r", "a\r\n", NULL},
	{"a\r\n.x", "a\r\nx", NULL},
	{"no end", "no end", NULL},
	{"\xff\x80\r\n.\r\n", "\xff\x80\r\n", ""},
};

static void feed(const char *in, size_t piece, const char *stored, const char *rest)
{
	struct lmtp_data d = {0};
	struct buf out = {0};
	size_t n = strlen(in), at = 0;

	while (at < n && !d.done) {
		size_t step = n - at < piece ? n - at : piece;
		char *copy = malloc(step);
		size_t took = lmtp_data_feed(&d, (struct str){memcpy(copy, in + at, step), step}, &out);

		assert_true(took == step || d.done);
		at += took;
		free(copy);
	}
	assert_int_equal(d.done, rest != NULL);
	if (rest)
		assert_string_equal(in + at, rest);
	assert_int_equal(d.size, out.len);
	assert_int_equal(out.len, strlen(stored));
	assert_memory_equal(buf_str(&out).p, stored, out.len);
	buf_free(&out);
}

static void test_text_in_pieces_of_any_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t piece = 1; piece <= 8; piece++)
			feed(texts[i].in, piece, texts[i].stored, texts[i].rest);
		feed(texts[i].in, 1000, texts[i].stored, texts[i].rest);
	}
}

static void test_dropped_text_is_still_counted(void **state)
{
	struct lmtp_data d = {0};

	(void)state;
	assert_int_equal(lmtp_data_feed(&d, STR("abc\n\r\n.\r\nX"), NULL), 10 - 1);
	assert_true(d.done);
	assert_int_equal(d.size, 7);
	assert_false(d.nul);
}

static void test_nul_is_noted(void **state)
{
	struct lmtp_data d = {0};
	struct buf out = {0};

	(void)state;
	lmtp_data_feed(&d, STR("a\0b\r\n.\r\n"), &out);
	assert_true(d.done && d.nul);
	d = (struct lmtp_data){0};
	lmtp_data_feed(&d, STR("a\r\n.\r\n\0"), &out);
	assert_false(d.nul);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verbs_in_any_case),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_a_path_over_the_limit_is_refused),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_clean_text_cannot_leave_its_comment),
		cmocka_unit_test(test_the_gate_hands_over_at_mail_with_the_rest_unread),
		cmocka_unit_test(test_half_lines_wait),
		cmocka_unit_test(test_a_line_too_long_is_passed_over_whole),
		cmocka_unit_test(test_too_many_errors_end_it),
		cmocka_unit_test(test_text_in_pieces_of_any_size),
		cmocka_unit_test(test_dropped_text_is_still_counted),
		cmocka_unit_test(test_nul_is_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
