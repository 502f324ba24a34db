/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "features/session/metrics/http.h"
#include "features/session/metrics/text.h"

static struct metrics_request r;

/* The head alone, with something behind it, and each shorter beginning of it. */
static void is_whole(struct str head, const char *method, const char *path)
{
	struct buf more = {0};

	buf_addstr(&more, head);
	buf_adds(&more, "GET / HTTP/1.1\r\n\r\n");
	assert_int_equal(metrics_http_parse(buf_str(&more), &r), head.len);
	assert_int_equal(metrics_http_parse(head, &r), head.len);
	assert_true(str_eq(r.method, str_from(method)));
	assert_true(str_eq(r.path, str_from(path)));
	for (size_t n = 0; n < head.len; n++)
		assert_int_equal(metrics_http_parse((struct str){head.p, n}, &r), 0);
	buf_free(&more);
}

static void test_heads_of_requests(void **state)
{
	(void)state;
	is_whole(STR("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), "GET", "/metrics");
	is_whole(STR("GET /metrics?name[]=a HTTP/1.1\r\nhost:\r\nAccept: */*\r\n\r\n"), "GET", "/metrics");
	is_whole(STR("HEAD / HTTP/1.0\r\n\r\n"), "HEAD", "/");
	is_whole(STR("GET / HTTP/1.0\nA: b\n\n"), "GET", "/");
	is_whole(STR("M-SEARCH / HTTP/1.0\r\nA:\tb\r\n\r\n"), "M-SEARCH", "/");
}

static void test_what_is_no_request(void **state)
{
	static const char *const wrong[] = {
		"\r\n", "GET\r\n", "GET /\r\n", "GET / HTTP/2.0\r\n", "GET / HTTP/1.1 \r\n",
		"GET  / HTTP/1.1\r\n", " GET / HTTP/1.1\r\n", "G(T / HTTP/1.0\r\n", "GET x HTTP/1.0\r\n",
		"GET http://x/ HTTP/1.0\r\n", "GET /\x01 HTTP/1.0\r\n", "a LOGIN b c\r\n",
		"GET / HTTP/1.1\r\n\r\n",                       /* no Host */
		"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", /* two */
		"GET / HTTP/1.0\r\nA : b\r\n", "GET / HTTP/1.0\r\nA\r\n", "GET / HTTP/1.0\r\n: b\r\n",
		"GET / HTTP/1.0\r\nA: b\r\n folded\r\n", "GET / HTTP/1.0\r\nA: b\rc\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(metrics_http_parse(str_from(wrong[i]), &r), -1);
	assert_int_equal(metrics_http_parse((struct str){"GET /\0 HTTP/1.0\r\n", 17}, &r), -1);
}

static void test_a_head_is_bounded(void **state)
{
	static char head[METRICS_HEAD_MAX + 100] = "GET / HTTP/1.0\r\nA: ";
	size_t begun = strlen(head);

	(void)state;
	memset(head + begun, 'b', sizeof(head) - begun);
	assert_int_equal(metrics_http_parse((struct str){head, METRICS_HEAD_MAX - 1}, &r), 0);
	assert_int_equal(metrics_http_parse((struct str){head, METRICS_HEAD_MAX}, &r), -1);
	assert_int_equal(metrics_http_parse((struct str){head, sizeof(head)}, &r), -1);
	memcpy(head + METRICS_HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(metrics_http_parse((struct str){head, sizeof(head)}, &r), METRICS_HEAD_MAX);
	memcpy(head + METRICS_HEAD_MAX - 4, "bb\r\n\r\n", 6);
	assert_int_equal(metrics_http_parse((struct str){head, sizeof(head)}, &r), -1);
}

static void becomes(const char *lines, const char *text)
{
	struct buf out = {0};

	metrics_text(str_from(lines), &out);
	assert_true(buf_addc(&out, '\0') == 0);
	assert_string_equal(buf_str(&out).p, text);
	buf_free(&out);
}

static void test_lines_become_text(void **state)
{
	(void)state;
	becomes("", "");
	becomes("sessions 3\n", "# HELP satchel_sessions The line sessions of satchel stat, see satchel(8).\n"
		"# TYPE satchel_sessions untyped\nsatchel_sessions 3\n");
	becomes("syncs 18446744073709551615\n",
		"# HELP satchel_syncs_total The line syncs of satchel stat, see satchel(8).\n"
		"# TYPE satchel_syncs_total counter\nsatchel_syncs_total 18446744073709551615\n");
	becomes("q_total{a=\"b\"} 1\nq_total{a=\"c\"} 2\n",
		"# HELP satchel_q_total The line q_total of satchel stat, see satchel(8).\n"
		"# TYPE satchel_q_total counter\nsatchel_q_total{a=\"b\"} 1\nsatchel_q_total{a=\"c\"} 2\n");
}

static void test_lines_without_a_number_or_name_are_left_out(void **state)
{
	(void)state;
	becomes("hint raise it\n\n 5\nx\nx -1\nx 1 2\na-b 1\n{a=\"b\"} 1\nx 18446744073709551616\n", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads_of_requests),
		cmocka_unit_test(test_what_is_no_request),
		cmocka_unit_test(test_a_head_is_bounded),
		cmocka_unit_test(test_lines_become_text),
		cmocka_unit_test(test_lines_without_a_number_or_name_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
