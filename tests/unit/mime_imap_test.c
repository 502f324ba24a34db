/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/mime_testing.h"

#include "core/mime/address.h"
#include "tests/fuzz/imap_check.h"

#include <errno.h>

static void assert_structure(const char *message, bool extended, const char *want)
{
	struct arena a = {0};
	struct buf b = {0};
	struct cursor c;

	mime_add_bodystructure(&b, parse(&a, message), extended);
	assert_str(buf_str(&b), want);
	c = cursor_from(buf_str(&b));
	assert_true(check_body(&c, extended) && cursor_done(&c));
	buf_free(&b);
	arena_free(&a);
}

static void assert_envelope(const char *header, const char *want)
{
	struct arena a = {0};
	struct buf b = {0};
	struct cursor c;

	mime_add_envelope(&b, with_crlf(&a, header));
	assert_str(buf_str(&b), want);
	c = cursor_from(buf_str(&b));
	assert_true(check_envelope(&c) && cursor_done(&c));
	buf_free(&b);
	arena_free(&a);
}

static void strings_are_quoted_unless_they_must_be_literals(void **state)
{
	static const struct {
		struct str in;
		const char *want;
	} table[] = {
		{{"", 0}, "\"\""},
		{{"a b(){%*", 8}, "\"a b(){%*\""},
		{{"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
		{{"a\tb\x01\x7f", 5}, "\"a\tb\x01\x7f\""},
		{{"a\0b", 3}, "\"a?b\""},
		{{"\xc3\xa4", 2}, "{2}\r\n\xc3\xa4"},
		{{"a\r\nb", 4}, "{4}\r\na\r\nb"},
		{{"a\r\"", 3}, "{3}\r\na\r\""},
		{{"a\0\n", 3}, "{3}\r\na?\n"},
		{{NULL, 0}, "NIL"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct buf b = {0};

		mime_add_nstring(&b, table[i].in);
		assert_str(buf_str(&b), table[i].want);
		buf_free(&b);
	}
}

static void a_string_of_more_than_1000_bytes_is_a_literal(void **state)
{
	char text[1001];
	struct buf b = {0};

	(void)state;
	memset(text, 'x', sizeof(text));
	mime_add_string(&b, (struct str){text, 1000});
	assert_int_equal(b.len, 1002);
	buf_clear(&b);
	mime_add_string(&b, (struct str){text, 1001});
	assert_true(str_istarts(buf_str(&b), STR("{1001}\r\nx")));
	assert_int_equal(b.len, 1001 + 8);
	buf_free(&b);
}

static void the_envelope_of_the_example_of_rfc_9051_is_given(void **state)
{
	(void)state;
	/* RFC 9051 8 */
	assert_envelope("Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\n"
			"From: Terry Gray <gray@cac.washington.edu>\n"
			"Subject: IMAP4rev2 WG mtg summary and minutes\n"
			"To: imap@cac.washington.edu\n"
			"cc: minutes@CNRI.Reston.VA.US, \n   John Klensin <KLENSIN@MIT.EDU>\n"
			"Message-Id: <B27397-0100000@cac.washington.ed>\n"
			"MIME-Version: 1.0\n"
			"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\n",
		"(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		"((NIL NIL \"imap\" \"cac.washington.edu\")) "
		"((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) "
		"NIL NIL \"<B27397-0100000@cac.washington.ed>\")");
}

static void absent_fields_are_nil_and_empty_ones_empty(void **state)
{
	(void)state;
	assert_envelope("", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	assert_envelope("Date:\nSubject: \nIn-Reply-To:\n \nMessage-ID:\nFrom:\nTo: \nCc:,\nBcc: (c)\n",
		"(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" \"\")");
}

static void sender_and_reply_to_mean_from_unless_they_say_something(void **state)
{
	(void)state;
	assert_envelope("From: a@b\nSender: s@b\nReply-To:\n",
		"(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"s\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL)");
	assert_envelope("Sender: s@b\n", "(NIL NIL NIL ((NIL NIL \"s\" \"b\")) NIL NIL NIL NIL NIL NIL)");
	/* the first Subject counts, lists are joined */
	assert_envelope("To: a@b\nSubject: 1\nTo: c@d\nSubject: 2\n",
		"(NIL \"1\" NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)");
}

static void header_text_is_unfolded_but_not_decoded(void **state)
{
	(void)state;
	assert_envelope("Subject: =?utf-8?q?a?=\n\t b\\\"\nIn-Reply-To: <a@b>\n <c@d>\nMessage-ID: \xe4\n x\n",
		"(NIL \"=?utf-8?q?a?=\t b\\\\\\\"\" NIL NIL NIL NIL NIL NIL \"<a@b> <c@d>\" {3}\r\n\xe4 x)");
}

static void addresses_are_read_in_all_their_forms(void **state)
{
	static const char *const table[][2] = {
		{"a@b", "(NIL NIL \"a\" \"b\")"},
		{"<a@b>", "(NIL NIL \"a\" \"b\")"},
		{"Joe <a@b>", "(\"Joe\" NIL \"a\" \"b\")"},
		{"Joe Q. Public <john.q.public@example.com>",
			"(\"Joe Q. Public\" NIL \"john.q.public\" \"example.com\")"},
		{"\"Joe Q. \\\"P\\\\\" x <a@b>", "(\"Joe Q. \\\"P\\\\ x\" NIL \"a\" \"b\")"},
		{"\"\" <a@b>", "(NIL NIL \"a\" \"b\")"},
		{"a@b (Joe)", "(\"Joe\" NIL \"a\" \"b\")"},
		{"<a@b> (Joe (the) \\) Doe)", "(\"Joe (the) ) Doe\" NIL \"a\" \"b\")"},
		{"Joe (x) <a@b> (y)", "(\"Joe\" NIL \"a\" \"b\")"},
		{"=?utf-8?q?J=C3=B6?= <a@b>", "(\"=?utf-8?q?J=C3=B6?=\" NIL \"a\" \"b\")"},
		{"J\xf6 <a@b>", "({2}\r\nJ\xf6 NIL \"a\" \"b\")"},
		{"[list] Bob <a@b>", "(\"[list] Bob\" NIL \"a\" \"b\")"},
		/* local parts and domains */
		{"\"a b\"@c", "(NIL NIL \"a b\" \"c\")"},
		{"\"a\".\"b\"@c", "(NIL NIL \"a.b\" \"c\")"},
		{"a@[127.0.0.1]", "(NIL NIL \"a\" \"[127.0.0.1]\")"},
		{"a@[IPv6:::1], b@c", "(NIL NIL \"a\" \"[IPv6:::1]\")(NIL NIL \"b\" \"c\")"},
		/* RFC 5322 A.5, A.6.1, A.6.3 */
		{"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
			"(\"Pete\" NIL \"pete\" \"silly.test\")"},
		{"Mary Smith <@node.test,@x.test:mary@example.net>, , jdoe@test  . example",
			"(\"Mary Smith\" \"@node.test,@x.test\" \"mary\" \"example.net\")"
			"(NIL NIL \"jdoe\" \"test.example\")"},
		{"a . b (c) @ d . (e) f", "(\"e\" NIL \"a.b\" \"d.f\")"},
		{"Joe\r\n <a\r\n @b>", "(\"Joe\" NIL \"a\" \"b\")"},
		/* groups, RFC 5322 A.1.3 */
		{"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
			"(NIL NIL \"A Group\" NIL)(\"Ed Jones\" NIL \"c\" \"a.test\")"
			"(NIL NIL \"joe\" \"where.test\")(\"John\" NIL \"jdoe\" \"one.test\")(NIL NIL NIL NIL)"},
		{"Undisclosed recipients:;", "(NIL NIL \"Undisclosed recipients\" NIL)(NIL NIL NIL NIL)"},
		{"(Empty)(start)Hidden : (nobody) ;, a@b",
			"(NIL NIL \"Hidden\" NIL)(NIL NIL NIL NIL)(NIL NIL \"a\" \"b\")"},
		{"g: a@b", "(NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)"},
		{"g: h: a@b;", "(NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)"},
		/* what people really send */
		{"joe@x.test <joe@x.test>", "(\"joe@x.test\" NIL \"joe\" \"x.test\")"},
		{"joe@x.test (Joe) Doe <joe@x.test>", "(\"joe@x.test Doe\" NIL \"joe\" \"x.test\")"},
		{"joe@x.test ann@x.test", "(NIL NIL \"joe\" \"x.test\")(NIL NIL \"ann\" \"x.test\")"},
		{"a@b; c@d", "(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")"},
		{"root", "(NIL NIL \"root\" \"\")"},
		{"root (Charlie)", "(\"Charlie\" NIL \"root\" \"\")"},
		{"Joe <root>", "(\"Joe\" NIL \"root\" \"\")"},
		{"<>", "(NIL NIL \"\" \"\")"},
		{"Joe <a@b", "(\"Joe\" NIL \"a\" \"b\")"},
		{"Joe <a@b, c@d", "(\"Joe\" NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")"},
		{"<a@b@c>, d@e", "(NIL NIL \"a\" \"b\")(NIL NIL \"d\" \"e\")"},
		{"@b", "(NIL NIL \"\" \"b\")"},
		{"a@", "(NIL NIL \"a\" \"\")"},
		{"\"open <a@b>", "(NIL NIL \"open <a@b>\" \"\")"},
		{"a@b (open", "(\"open\" NIL \"a\" \"b\")"},
		{"a@[open", "(NIL NIL \"a\" \"[open]\")"},
		{")>", ""},
		{" \t, ,,", ""},
	};

	struct address_scratch scratch = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct buf b = {0};

		address_add_list(&b, str_from(table[i][0]), &scratch);
		assert_str(buf_str(&b), table[i][1]);
		buf_free(&b);
	}
	address_scratch_free(&scratch);
}

static void an_address_list_is_cut_at_its_limit_with_its_group_closed(void **state)
{
	struct address_scratch scratch = {0};
	struct buf in = {0}, out = {0};
	struct str s;

	(void)state;
	buf_adds(&in, "g:");
	for (unsigned i = 0; i < ADDRESS_LIST_MAX + 10; i++)
		buf_adds(&in, "a,");
	assert_int_equal(address_add_list(&out, buf_str(&in), &scratch), ADDRESS_LIST_MAX + 1);
	s = buf_str(&out);
	assert_str((struct str){s.p + s.len - 17, 17}, "(NIL NIL NIL NIL)");
	buf_free(&in);
	buf_free(&out);
	address_scratch_free(&scratch);
}

static void body_of_lines(struct buf *b, unsigned octets, unsigned lines)
{
	for (unsigned i = 0; i + 1 < lines; i++)
		buf_adds(b, "line\n");
	for (unsigned n = (lines - 1) * 6 + 2; n < octets; n++)
		buf_addc(b, 'x');
	buf_adds(b, "\n");
}

static void the_structures_of_the_examples_of_rfc_9051_are_given(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_adds(&b, "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\n");
	body_of_lines(&b, 3028, 92);
	buf_addc(&b, 0);
	assert_structure(buf_str(&b).p, false,
		"(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92)");
	buf_clear(&b);

	/* RFC 9051 7.5.2 */
	buf_adds(&b, "Content-Type: MULTIPART/MIXED; boundary=b\n\n--b\n"
		     "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\n");
	body_of_lines(&b, 1152, 23);
	buf_adds(&b, "\n--b\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME=cc.diff\n"
		     "Content-ID: <960723163407.20117h@cac.washington.edu>\n"
		     "Content-Description: Compiler diff\n"
		     "Content-Transfer-Encoding: BASE64\n\n");
	body_of_lines(&b, 4554, 73);
	buf_adds(&b, "\n--b--\n");
	buf_addc(&b, 0);
	assert_structure(buf_str(&b).p, false,
		"((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 23)"
		"(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\") "
		"\"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"BASE64\" 4554 73) \"MIXED\")");
	buf_free(&b);
}

static void extension_data_follow_in_their_order(void **state)
{
	static const char message[] =
		"Content-Type: multipart/related; boundary=\"b\"; type=\"text/html\"\n"
		"Content-Disposition: inline\nContent-Language: en\nContent-Location: base\n\n"
		"--b\nContent-Type: text/html; charset=utf-8\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\n"
		"Content-Disposition: attachment; filename=\"a \\\"b\\\".html\"; size=3\n"
		"Content-Language: (comment) en-US, de; fr\n"
		"Content-Location: http://example.com/\n  x\n\n<p>\n"
		"--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA\n"
		"--b--\n";

	(void)state;
	assert_structure(message, true,
		"((\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL \"7BIT\" 3 1 \"Q2hlY2sgSW50ZWdyaXR5IQ==\" "
		"(\"attachment\" (\"filename\" \"a \\\"b\\\".html\" \"size\" \"3\")) (\"en-US\" \"de\" \"fr\") "
		"\"http://example.com/  x\")"
		"(\"image\" \"png\" NIL NIL NIL \"base64\" 4 NIL NIL NIL NIL) \"related\" "
		"(\"boundary\" \"b\" \"type\" \"text/html\") (\"inline\" NIL) (\"en\") \"base\")");
	assert_structure(message, false,
		"((\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL \"7BIT\" 3 1)"
		"(\"image\" \"png\" NIL NIL NIL \"base64\" 4) \"related\")");
}

static void a_message_part_has_envelope_structure_and_lines(void **state)
{
	(void)state;
	assert_structure("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\nFrom: a@b\n\n1\n2\n--b--\n",
		false,
		"((\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 30 (NIL \"in\" ((NIL NIL \"a\" \"b\")) "
		"((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL) "
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 4 2) 5) \"digest\")");
}

static void the_assumed_charset_follows_what_was_sent(void **state)
{
	(void)state;
	assert_structure("Content-Type: text/plain; format=flowed\n\n", false,
		"(\"text\" \"plain\" (\"format\" \"flowed\" \"charset\" \"us-ascii\") NIL NIL \"7BIT\" 0 0)");
	assert_structure("Content-Type: text/html\n\n", false, "(\"text\" \"html\" NIL NIL NIL \"7BIT\" 0 0)");
}

static void what_cannot_be_quoted_in_a_structure_is_a_literal(void **state)
{
	(void)state;
	assert_structure("Content-Type: text/plain; charset=x; name=\"\xe4\"\nContent-Description: \xc3\xa4\n\nx", true,
		"(\"text\" \"plain\" (\"charset\" \"x\" \"name\" {1}\r\n\xe4) NIL {2}\r\n\xc3\xa4 \"7BIT\" 1 1 "
		"NIL NIL NIL NIL)");
	assert_structure("Content-Type: application/x-\xe4\nContent-Language: ,\nContent-ID:\n\n", true,
		"(\"application\" {3}\r\nx-\xe4 NIL \"\" NIL \"7BIT\" 0 NIL NIL NIL NIL)");
}

static void a_summary_gives_back_what_was_put_in(void **state)
{
	static const char message[] =
		"Received: x\nFrom: a@b\nTo: c@d\nsubject: s\n t\nX: y\nReferences: <r>\n"
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n";
	struct arena a = {0};
	struct buf b = {0}, want = {0};
	struct mime_summary s;
	struct str text = with_crlf(&a, message);
	const struct mime_part *top = mime_parse(&a, text);

	(void)state;
	assert_int_equal(mime_summary_add(&b, text), 0);
	assert_int_equal(mime_summary_read(buf_str(&b), &s), 0);
	assert_int_equal(s.version, MIME_PARSER_VERSION);
	assert_int_equal(s.header_len, top->header.len);
	assert_int_equal(s.lines, 4);
	assert_true(mime_is_common_field(STR("MESSAGE-ID")));
	assert_false(mime_is_common_field(STR("Received")));
	assert_int_equal(s.flags, 0);
	assert_str(s.fields, "From: a@b\r\nTo: c@d\r\nsubject: s\r\n t\r\nReferences: <r>\r\n");
	mime_add_envelope(&want, top->header);
	assert_true(str_eq(s.envelope, buf_str(&want)));
	buf_clear(&want);
	mime_add_bodystructure(&want, top, false);
	assert_true(str_eq(s.body, buf_str(&want)));
	buf_clear(&want);
	mime_add_bodystructure(&want, top, true);
	assert_true(str_eq(s.bodystructure, buf_str(&want)));
	for (size_t n = 0; n < b.len; n++) {
		errno = 0;
		assert_int_equal(mime_summary_read((struct str){b.data + b.off, n}, &s), -1);
		assert_int_equal(errno, EPROTO);
	}
	buf_clear(&b);
	assert_int_equal(mime_summary_add(&b, STR("Subject: \xe4\r\n\r\n\xe4")), 0);
	assert_int_equal(mime_summary_read(buf_str(&b), &s), 0);
	assert_int_equal(s.flags, MIME_HEADER_8BIT);
	buf_free(&b);
	buf_free(&want);
	arena_free(&a);
}

static void a_summary_that_does_not_fit_says_so(void **state)
{
	struct buf b = {.max = 100};

	(void)state;
	assert_int_equal(mime_summary_add(&b, STR("Subject: a subject\r\n\r\nx")), -1);
	assert_true(b.failed);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_quoted_unless_they_must_be_literals),
		cmocka_unit_test(a_string_of_more_than_1000_bytes_is_a_literal),
		cmocka_unit_test(the_envelope_of_the_example_of_rfc_9051_is_given),
		cmocka_unit_test(absent_fields_are_nil_and_empty_ones_empty),
		cmocka_unit_test(sender_and_reply_to_mean_from_unless_they_say_something),
		cmocka_unit_test(header_text_is_unfolded_but_not_decoded),
		cmocka_unit_test(addresses_are_read_in_all_their_forms),
		cmocka_unit_test(an_address_list_is_cut_at_its_limit_with_its_group_closed),
		cmocka_unit_test(the_structures_of_the_examples_of_rfc_9051_are_given),
		cmocka_unit_test(extension_data_follow_in_their_order),
		cmocka_unit_test(a_message_part_has_envelope_structure_and_lines),
		cmocka_unit_test(the_assumed_charset_follows_what_was_sent),
		cmocka_unit_test(what_cannot_be_quoted_in_a_structure_is_a_literal),
		cmocka_unit_test(a_summary_gives_back_what_was_put_in),
		cmocka_unit_test(a_summary_that_does_not_fit_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
