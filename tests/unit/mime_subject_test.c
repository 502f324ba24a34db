/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/mime_testing.h"

#include "core/mime/subject.h"

static void check(const char *subject, const char *want, bool want_reply)
{
	struct buf folded = {0};
	bool reply;

	subject_fold(&folded, str_from(subject));
	assert_str(subject_base(buf_str(&folded), &reply), want);
	assert_int_equal(reply, want_reply);
	buf_free(&folded);
}

/* RFC 5256 2.1 and 5 */
static void what_replies_and_lists_add_is_taken_away(void **state)
{
	(void)state;
	check("Hello", "hello", false);
	check("", "", false);
	check("Re: Hello", "hello", true);
	check("RE :Hello", "hello", true);
	check("re[2]: Hello", "hello", true);
	check("Re [list] : Hello", "hello", true);
	check("Fw: a", "a", true);
	check("Fwd: a", "a", true);
	check("fwd[x]: re: FW: a", "a", true);
	check("Re: [list] Re: Hello", "hello", true);
	check("[list] Re: Hello", "hello", true);
	check("[one] [two]Hello", "hello", false);
	check("[list]", "[list]", false);
	check("[one][list]  ", "[list]", false);
	check("Re: [list]", "[list]", true);
	check("Re: [a", "[a", true);
	check("Hello (fwd)", "hello", true);
	check("Hello (fwd)(FWD) ", "hello", true);
	check("(fwd)", "", true);
	check("[fwd: Hello]", "hello", true);
	check("[Fwd: Re: [x] Hello (fwd)]", "hello", true);
	check("[fwd: [fwd: a]]", "a", true);
	check("Re:", "", true);
	check("Re: Re:", "", true);
	check("Reply", "reply", false);
	check("Re Hello", "re hello", false);
	check("Forward: a", "forward: a", false);
	check("Hello\r\n  World\tagain", "hello world again", false);
	check("=?utf-8?Q?Re:_=C3=84rger?=", "\xc3\xa4rger", true);
	check("=?iso-8859-1?B?UmU6IMTkIA==?= (fwd)", "\xc3\xa4\xc3\xa4", true);
}

static void a_long_subject_takes_linear_time(void **state)
{
	static const char *const pieces[] = {"[", "[a]", "re:", "re[a", "[fwd:", "(fwd)", " ", "fw [a] ", "]"};
	struct buf text = {0}, folded = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(pieces); i++) {
		buf_clear(&text);
		buf_clear(&folded);
		while (text.len < 1000000)
			buf_adds(&text, pieces[i]);
		subject_fold(&folded, buf_str(&text));
		subject_base(buf_str(&folded), NULL);
	}
	buf_free(&text);
	buf_free(&folded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_replies_and_lists_add_is_taken_away),
		cmocka_unit_test(a_long_subject_takes_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
