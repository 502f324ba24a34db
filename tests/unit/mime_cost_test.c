/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/mime_testing.h"

#include <time.h>

#include "core/mime/charset.h"

/* A message of this size must be handled in a moment; what is quadratic would take minutes. */
enum { BYTES = 2 << 20, SECONDS_MAX = 5 };

static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static void handle_whole(struct str message)
{
	struct arena a = {0};
	struct buf out = {0};
	struct mime_part *top = mime_parse(&a, message);
	struct cursor c = cursor_from(top->header);
	struct header_field f;

	assert_int_equal(mime_summary_add(&out, message), 0);
	/* Nobody gets gigabytes from us for a hostile message. */
	assert_true(out.len < 40 * message.len);
	mime_decode_body(&out, top, 0);
	while (header_next(&c, &f)) {
		header_decode(&out, f.value);
		charset_fold(&out, f.value);
	}
	buf_free(&out);
	arena_free(&a);
}

static void no_repetition_costs_more_than_its_length(void **state)
{
	/* What begins the message, what is repeated in it. */
	static const char *const table[][2] = {
		{"Content-Transfer-Encoding: quoted-printable\n\n", "=z"},
		{"Content-Transfer-Encoding: quoted-printable\n\n", "= "},
		{"Content-Transfer-Encoding: base64\n\n", "A="},
		{"To: ", "a@b "},
		{"To: ", "a@b x \"y"},
		{"To: ", "a@b ("},
		{"From: ", "("},
		{"From: ", "a,"},
		{"From: ", "a:"},
		{"From: ", ":;"},
		{"From: ", "<@a"},
		{"From: ", "\"\\\" ."},
		{"From: ", "a@["},
		{"To: ", "x\nTo: "},
		{"Subject: ", "=?"},
		{"Subject: ", "=?utf-8?q?a"},
		{"Subject: ", "=?utf-8?q?a?= "},
		{"Subject: ", "\n "},
		{"Subject: ", "\xc3\xa4"
			      "a"},
		{"Content-Language: ", "a,"},
		{"Content-Type: ", "("},
		{"Content-Type: a/b", ";a=b c"},
		{"Content-Type: a/b", ";a"},
		{"Content-Type: a/b", "; a*0*=b"},
		{"Content-Type: a/b; ", "a*1="},
		{"Content-Type: a/b; a=", "\" b "},
		{"Content-Type: message/rfc822\n\n", "Content-Type: message/rfc822\n\n"},
		{"Content-Type: multipart/digest; boundary=b\n\n", "--b\n"},
		{"Content-Type: multipart/digest; boundary=b\n\n", "--b\n\n\n\n"},
		{"Content-Type: multipart/mixed; boundary=b\n\n--b\n", "Content-Type: multipart/mixed; boundary=b\n\n--b\n"},
		{"Content-Type: multipart/mixed; boundary=b\n\n", "--"},
		{"", ":"},
		{"", "\r"},
		{"", "a:\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		double begin = cpu_seconds();
		struct buf b = {0};

		buf_adds(&b, table[i][0]);
		while (b.len < BYTES)
			buf_adds(&b, table[i][1]);
		handle_whole(buf_str(&b));
		buf_free(&b);
		if (cpu_seconds() - begin > 1)
			print_message("%s%s...: %g s\n", table[i][0], table[i][1], cpu_seconds() - begin);
		assert_true(cpu_seconds() - begin < SECONDS_MAX);
	}
}

static void open_multiparts_do_not_multiply_the_cost_of_lines(void **state)
{
	double begin = cpu_seconds();
	struct buf b = {0};

	(void)state;
	for (unsigned i = 0; i + 1 < CONFIG_MIME_DEPTH_MAX; i++) {
		buf_adds(&b, "Content-Type: multipart/mixed; boundary=aaaaaaaaaaaaaaaa");
		buf_addu(&b, 100000 + i);
		buf_adds(&b, "\n\n--aaaaaaaaaaaaaaaa");
		buf_addu(&b, 100000 + i);
		buf_adds(&b, "\n");
	}
	while (b.len < BYTES)
		buf_adds(&b, "--aaaaaaaaaaaaaaaa1\n--aaaaaaaaaaaaaaaa2\n");
	handle_whole(buf_str(&b));
	buf_free(&b);
	assert_true(cpu_seconds() - begin < SECONDS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_repetition_costs_more_than_its_length),
		cmocka_unit_test(open_multiparts_do_not_multiply_the_cost_of_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
