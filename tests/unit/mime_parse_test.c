/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/mime_testing.h"

#include <stdlib.h>

/* The tree as text: type/subtype[body size,lines](children). */
static void draw(struct buf *out, const struct mime_part *part)
{
	buf_addstr(out, part->type);
	buf_addc(out, '/');
	buf_addstr(out, part->subtype);
	if (!part->first_child) {
		buf_addc(out, '[');
		buf_addstr(out, part->body);
		buf_addc(out, ']');
		buf_addu(out, part->lines);
		return;
	}
	buf_addc(out, '(');
	for (const struct mime_part *child = part->first_child; child; child = child->next) {
		draw(out, child);
		if (child->next)
			buf_addc(out, ' ');
	}
	buf_addc(out, ')');
}

static void assert_tree(const char *message, const char *want)
{
	struct arena a = {0};
	struct buf b = {0};

	draw(&b, parse(&a, message));
	assert_str(buf_str(&b), want);
	buf_free(&b);
	arena_free(&a);
}

static void a_message_without_a_usable_content_type_is_text_plain(void **state)
{
	static const char *const headers[] = {"", "Subject: x\n", "Content-Type:\n", "Content-Type: text\n",
		"Content-Type: /plain\n", "Content-Type: text/\n", "Content-Type: ; charset=x\n",
		"Content-Type: (text/html) text (a) / (b) plain (c)\n",
		"Content-Type: multipart/mixed\n", "Content-Type: multipart/mixed; boundary=\"\"\n",
		"Content-Type: multipart/mixed; boundary=x\n"};

	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		struct arena a = {0};
		struct buf b = {0};

		buf_adds(&b, headers[i]);
		buf_adds(&b, "\nbody\n");
		buf_addc(&b, 0);
		struct mime_part *top = parse(&a, buf_str(&b).p);

		assert_str(top->type, "text");
		assert_str(top->subtype, "plain");
		assert_str(top->body, "body\r\n");
		assert_str(mime_param_value(top, STR("CHARSET")), "us-ascii");
		assert_int_equal(top->lines, 1);
		assert_false(top->multipart);
		buf_free(&b);
		arena_free(&a);
	}
}

static void line_ends_before_a_boundary_belong_to_it(void **state)
{
	(void)state;
	assert_tree("Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n--b\n\ntwo\n\n--b\n\n--b\n\n\n"
		    "--b--\npost\n",
		"multipart/mixed(text/plain[one]1 text/plain[two\r\n]1 text/plain[]0 text/plain[]0)");
}

static void boundaries_are_found_as_rfc_2046_says_and_no_better(void **state)
{
	(void)state;
	/* blanks behind, text behind, a preamble that is not one, an epilogue that looks like parts */
	assert_tree("Content-Type: multipart/mixed; boundary=\"b \"\n\n x--b\n--b \t\n\n1\n--bxyz\n\n2\n --b\n-b\n--\n"
		    "--b-- \n--b\n\n3\n",
		"multipart/mixed(text/plain[1]1 text/plain[2\r\n --b\r\n-b\r\n--]4)");
	/* no final boundary, no line end */
	assert_tree("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--b\n\n2",
		"multipart/mixed(text/plain[1]1 text/plain[2]1)");
	/* the message ends right behind a boundary */
	assert_tree("Content-Type: multipart/mixed; boundary=b\n\n--b",
		"multipart/mixed(text/plain[]0)");
	/* a boundary ends a header that has no empty line */
	assert_tree("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n--b\n\n2\n--b--\n",
		"multipart/mixed(text/html[]0 text/plain[2]1)");
	/* only the end */
	assert_tree("Content-Type: multipart/mixed; boundary=b\n\n--b--\n", "text/plain[--b--\r\n]1");
}

static void an_outer_boundary_closes_the_multiparts_in_it(void **state)
{
	(void)state;
	assert_tree("Content-Type: multipart/mixed; type=x; boundary=out\n\n--out\n"
		    "Content-Type: multipart/mixed; boundary=in\n\n--in\n\n--x\n--out\n\ny\n--out--\n",
		"multipart/mixed(multipart/mixed(text/plain[--x]1) text/plain[y]1)");
	/* one boundary is the beginning of the other: the longer wins */
	assert_tree("Content-Type: multipart/mixed; boundary=bb\n\n--bb\n"
		    "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--bb\n\ny\n--bb--\n",
		"multipart/mixed(multipart/mixed(text/plain[x]1) text/plain[y]1)");
	/* both are the same: the inner one first, the outer one when that has ended */
	assert_tree("Content-Type: multipart/mixed; boundary=b\n\n--b\n"
		    "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n--b\n\ny\n--b--\n",
		"multipart/mixed(multipart/mixed(text/plain[x]1) text/plain[y]1)");
}

static void a_message_in_a_part_is_a_tree_of_its_own(void **state)
{
	(void)state;
	assert_tree("Content-Type: message/rfc822\n\nContent-Type: message/global\n\nA: b\n\ninner\n",
		"message/rfc822(message/global(text/plain[inner\r\n]1))");
	/* RFC 2046 5.1.5 */
	assert_tree("Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\n1\n--b\nContent-Type: text/html\n"
		    "\n2\n--b\nContent-Type: bad\n\n3\n--b--\n",
		"multipart/digest(message/rfc822(text/plain[1]1) text/html[2]1 text/plain[3]1)");
	/* RFC 2045 6.4: what is encoded cannot be looked into */
	assert_tree("Content-Type: message/rfc822; name=x\nContent-Transfer-Encoding: Base64\n\nQTogYg==",
		"application/octet-stream[QTogYg==]1");
	assert_tree("Content-Type: message/partial\n\nx", "message/partial[x]1");
	assert_tree("Content-Type: message/rfc822\n\n", "message/rfc822(text/plain[]0)");
}

static void bare_line_feeds_are_line_ends_too(void **state)
{
	struct arena a = {0};
	struct buf b = {0};

	(void)state;
	draw(&b, mime_parse(&a, STR("Content-Type: multipart/mixed;\n boundary=b\n\n--b\n\none\n\n--b\n\ntwo\n--b--\n")));
	assert_str(buf_str(&b), "multipart/mixed(text/plain[one\n]1 text/plain[two]1)");
	buf_free(&b);
	arena_free(&a);
}

static void parameters_are_read_the_way_they_are_sent(void **state)
{
	static const char *const table[][2] = {
		{"; a=b", "a=b"},
		{";a = b ; C=\"d e\" ", "a=b|C=d e"},
		{"; charset=us-ascii (Plain text)", "charset=us-ascii"},
		{"; a=\"q\\\"u\\\\o\\te\"; b=\"open", "a=q\"u\\ote|b=open"},
		{"; a=\"fol\n ded\"", "a=fol ded"},
		{"; name=My File (1).pdf; b=c", "name=My File (1).pdf|b=c"},
		{"; a=b c=d", "a=b|c=d"},
		{"; a=\"b\" c=d", "a=b|c=d"},
		{";;; a=b;; c ; =d; e=f;", "a=b|e=f"},
		{"; a=; b=c", "a=|b=c"},
		{"; a=\"\"", "a="},
		{"; boundary==_x?/:[1]", "boundary==_x?/:[1]"},
		{" garbage; a=b", "a=b"},
		/* RFC 2231 3, 4 */
		{"; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/\"", "URL=ftp://cs.utk.edu/"},
		{"; title*=us-ascii'en-us'This%20is", "title*=us-ascii'en-us'This%20is"},
		{"; title*1*=%2A%2A; title*0*=us-ascii'en'a%20; title*2=\"isn't it!\"; x=y",
			"title*=us-ascii'en'a%20%2A%2Aisn%27t%20it!|x=y"},
		{"; t*0=\"a b\"; T*1*=%20", "t*=''a%20b%20"},
		{"; t*0*=x''y", "t*=x''y"},
		{"; t*1=b; u*x=c; v*0*0=d; w*", "t*1=b|u*x=c|v*0*0=d"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct arena a = {0};
		struct buf b = {0}, got = {0};
		struct mime_part *top;

		buf_addv(&b, "Content-Disposition: x", table[i][0], "\n\n", NULL);
		buf_addc(&b, 0);
		top = parse(&a, buf_str(&b).p);
		assert_str(top->disposition, "x");
		for (struct mime_param *p = top->disposition_params; p; p = p->next) {
			buf_addstr(&got, p->name);
			buf_addc(&got, '=');
			buf_addstr(&got, p->value);
			if (p->next)
				buf_addc(&got, '|');
		}
		assert_str(buf_str(&got), table[i][1]);
		buf_free(&b);
		buf_free(&got);
		arena_free(&a);
	}
}

static unsigned count_parts(const struct mime_part *part, unsigned depth, unsigned *deepest)
{
	unsigned n = 1;

	if (depth > *deepest)
		*deepest = depth;
	for (part = part->first_child; part; part = part->next)
		n += count_parts(part, depth + 1, deepest);
	return n;
}

static void nesting_stops_at_the_configured_depth(void **state)
{
	struct arena a = {0};
	struct buf b = {0};
	unsigned deepest = 0;

	(void)state;
	for (unsigned i = 0; i < CONFIG_MIME_DEPTH_MAX + 50; i++) {
		buf_adds(&b, "Content-Type: multipart/mixed; boundary=b");
		buf_addu(&b, i);
		buf_adds(&b, "\r\n\r\n--b");
		buf_addu(&b, i);
		buf_adds(&b, "\r\n");
	}
	count_parts(mime_parse(&a, buf_str(&b)), 1, &deepest);
	assert_int_equal(deepest, CONFIG_MIME_DEPTH_MAX);
	buf_clear(&b);
	arena_reset(&a);
	for (unsigned i = 0; i < CONFIG_MIME_DEPTH_MAX + 50; i++)
		buf_adds(&b, "Content-Type: message/rfc822\r\n\r\n");
	deepest = 0;
	count_parts(mime_parse(&a, buf_str(&b)), 1, &deepest);
	assert_int_equal(deepest, CONFIG_MIME_DEPTH_MAX);
	buf_free(&b);
	arena_free(&a);
}

static void parts_stop_at_the_configured_number(void **state)
{
	struct arena a = {0};
	struct buf b = {0};
	unsigned deepest = 0;
	struct mime_part *top;

	(void)state;
	buf_adds(&b, "Content-Type: multipart/digest; boundary=b\r\n\r\n");
	for (unsigned i = 0; i < CONFIG_MIME_PARTS_MAX; i++)
		buf_adds(&b, "--b\r\n\r\n\r\n\r\n");
	buf_adds(&b, "tail\r\n");
	top = mime_parse(&a, buf_str(&b));
	assert_int_equal(count_parts(top, 1, &deepest), CONFIG_MIME_PARTS_MAX);
	assert_int_equal(top->header.len + top->body.len, b.len);
	buf_free(&b);
	arena_free(&a);
}

static void assert_same_tree(const struct mime_part *a, const struct mime_part *b)
{
	for (; a && b; a = a->next, b = b->next) {
		assert_int_equal(a->at, b->at);
		assert_int_equal(a->body_at, b->body_at);
		assert_int_equal(a->body_len, b->body_len);
		assert_int_equal(a->body_len, a->body.len);
		assert_int_equal(a->lines, b->lines);
		assert_true(str_eq(a->header, b->header) && str_eq(a->type, b->type));
		assert_same_tree(a->first_child, b->first_child);
	}
	assert_true(!a && !b);
}

static void a_message_in_pieces_has_the_same_tree(void **state)
{
	static const char message[] =
		"Content-Type: multipart/mixed;\r\n boundary=\"one\"\r\n\r\npreamble\r\n--one\r\n\r\n"
		"text\n\r\n--one \r\nContent-Type: message/rfc822\r\n\r\n"
		"Content-Type: multipart/digest; boundary=one.two\r\n\r\n--one.two\r\n\r\nA: b\r\n\r\n\r\r\n"
		"--one.two\r\n--one.two--\r\n--one\r\nContent-Type: multipart/mixed; boundary=one\r\n"
		"--one\n\n--one--\nepilogue";
	struct str all = {message, sizeof(message) - 1};
	struct arena a = {0};

	(void)state;
	for (size_t cut = 0; cut < all.len; cut++) {
		struct str whole = {message, all.len - cut / 3};
		struct mime_part *top = mime_parse(&a, whole);
		struct mime_reader *r = mime_reader_new(&a);
		struct cursor c = cursor_from(whole);

		while (!cursor_done(&c))
			mime_reader_feed(r, cursor_take(&c, cut < cursor_left(&c) ? cut + 1 : cursor_left(&c)));
		assert_same_tree(top, mime_reader_end(&r));
		arena_reset(&a);
	}
	arena_free(&a);
}

static void lines_and_headers_of_any_length_are_read_in_bounded_memory(void **state)
{
	struct arena a = {.max = 600 * 1024};
	struct mime_reader *r = mime_reader_new(&a);
	struct mime_part *top;
	char piece[5000];

	(void)state;
	memset(piece, 'x', sizeof(piece));
	mime_reader_feed(r, STR("Content-Type: multipart/mixed; boundary=b\r\nSubject: "));
	for (int i = 0; i < 400; i++)
		mime_reader_feed(r, (struct str){piece, sizeof(piece)});
	mime_reader_feed(r, STR("\r\n\r\n--b"));
	for (int i = 0; i < 400; i++)
		mime_reader_feed(r, (struct str){piece, sizeof(piece)});
	mime_reader_feed(r, STR("\r\nA: b\r\n\r\n"));
	for (int i = 0; i < 400; i++)
		mime_reader_feed(r, (struct str){piece, sizeof(piece)});
	mime_reader_feed(r, STR("\r"));
	mime_reader_feed(r, STR("\n--b--"));
	top = mime_reader_end(&r);
	assert_non_null(top);
	assert_int_equal(top->body_at, 43 + 9 + 2000000 + 4);
	assert_true(top->multipart && top->first_child && !top->first_child->next);
	assert_int_equal(top->first_child->at, top->body_at + 3 + 2000000 + 2);
	assert_int_equal(top->first_child->body_at, top->first_child->at + 8);
	assert_int_equal(top->first_child->body_len, 2000000);
	assert_int_equal(top->first_child->lines, 1);
	assert_true(top->header.len < 300000);
	arena_free(&a);
}

static void running_out_of_memory_gives_no_tree(void **state)
{
	static const char message[] =
		"Content-Type: multipart/mixed; boundary=b; x*0=y; x*1=\"\\z\"\n\n--b\n"
		"Content-Type: message/rfc822\nContent-Disposition: a; b=\"\\c\"\n\nA: b\n\n1\n--b\n\n2\n--b--\n";
	struct mime_part *top = NULL;
	size_t max;

	(void)state;
	for (max = 16; !top && max < 100000; max += 16) {
		struct arena a = {.max = max};

		top = mime_parse(&a, str_from(message));
		if (top)
			assert_true(top->multipart && top->first_child->next);
		arena_free(&a);
	}
	assert_true(max > 500 && max < 100000);
}

/* The example of RFC 9051 6.4.5.1; each part's body says its section. */
static const char sections[] =
	"Subject: top\nContent-Type: multipart/mixed; boundary=a\n\n"
	"--a\n\n[1]\n"
	"--a\nContent-Type: application/octet-stream\n\n[2]\n"
	"--a\nContent-Type: message/rfc822\n\n"
	"Subject: 3\nContent-Type: multipart/mixed; boundary=b\n\n"
	"--b\n\n[3.1]\n"
	"--b\nContent-Type: application/octet-stream\n\n[3.2]\n"
	"--b--\n"
	"--a\nContent-Type: multipart/mixed; boundary=c\n\n"
	"--c\nContent-Type: image/gif\n\n[4.1]\n"
	"--c\nContent-Type: message/rfc822\n\n"
	"Subject: 4.2\nContent-Type: multipart/mixed; boundary=d\n\n"
	"--d\n\n[4.2.1]\n"
	"--d\nContent-Type: multipart/alternative; boundary=e\n\n"
	"--e\n\n[4.2.2.1]\n"
	"--e\nContent-Type: text/richtext\n\n[4.2.2.2]\n"
	"--e--\n--d--\n--c--\n"
	"--a\nContent-Type: message/rfc822\n\nSubject: 5\n\n[5.1]\n"
	"--a--\n";

static const struct mime_part *find(const struct mime_part *top, const char *section,
	const struct mime_part **mime_r, bool *message_r)
{
	uint32_t numbers[16];
	unsigned n = 0;
	char *end = (char *)section;

	while (*end) {
		numbers[n++] = (uint32_t)strtoul(end, &end, 10);
		end += *end == '.';
	}
	return mime_find(top, numbers, n, mime_r, message_r);
}

static void sections_are_numbered_as_in_the_example_of_rfc_9051(void **state)
{
	static const struct {
		const char *section, *type;
		bool message, leaf;
	} table[] = {
		{"", "multipart/mixed", true, false},
		{"1", "text/plain", false, true},
		{"2", "application/octet-stream", false, true},
		{"3", "message/rfc822", true, false},
		{"3.1", "text/plain", false, true},
		{"3.2", "application/octet-stream", false, true},
		{"4", "multipart/mixed", false, false},
		{"4.1", "image/gif", false, true},
		{"4.2", "message/rfc822", true, false},
		{"4.2.1", "text/plain", false, true},
		{"4.2.2", "multipart/alternative", false, false},
		{"4.2.2.1", "text/plain", false, true},
		{"4.2.2.2", "text/richtext", false, true},
		{"5", "message/rfc822", true, false},
		{"5.1", "text/plain", false, true},
	};
	static const char *const absent[] = {"0", "6", "1.1", "2.1", "3.0", "3.3", "3.1.1", "4.3", "4.2.3",
		"4.2.2.3", "5.2", "5.1.1", "4294967295"};
	struct arena a = {0};
	const struct mime_part *top = parse(&a, sections), *mime, *part;
	bool message;

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct buf b = {0};

		part = find(top, table[i].section, &mime, &message);
		assert_non_null(part);
		assert_int_equal(message, table[i].message);
		buf_addstr(&b, mime->type);
		buf_addc(&b, '/');
		buf_addstr(&b, mime->subtype);
		assert_str(buf_str(&b), table[i].type);
		if (message && mime != top)
			assert_ptr_equal(part, mime->first_child);
		else
			assert_ptr_equal(part, mime);
		if (table[i].leaf) {
			buf_clear(&b);
			buf_addv(&b, "[", table[i].section, "]", NULL);
			assert_true(str_istarts(part->body, buf_str(&b)));
		}
		buf_free(&b);
	}
	for (size_t i = 0; i < COUNT(absent); i++)
		assert_null(find(top, absent[i], &mime, &message));
	part = find(top, "4.2", &mime, &message);
	assert_str(part->header, "Subject: 4.2\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n");
	assert_str(mime->header, "Content-Type: message/rfc822\r\n\r\n");
	part = find(top, "5", &mime, &message);
	assert_str(mime->body, "Subject: 5\r\n\r\n[5.1]");
	arena_free(&a);
}

static void a_message_without_parts_is_its_own_part_1(void **state)
{
	struct arena a = {0};
	const struct mime_part *top = parse(&a, "A: b\n\ntext\n"), *mime;
	bool message;

	(void)state;
	assert_ptr_equal(find(top, "1", &mime, &message), top);
	assert_ptr_equal(mime, top);
	assert_false(message);
	assert_null(find(top, "1.1", &mime, &message));
	assert_null(find(top, "2", &mime, &message));
	arena_reset(&a);

	top = parse(&a, "Content-Type: message/rfc822\n\nSubject: in\n\ntext\n");
	assert_ptr_equal(find(top, "", &mime, &message), top);
	assert_ptr_equal(find(top, "1", &mime, &message), top->first_child);
	assert_ptr_equal(mime, top);
	assert_true(message);
	assert_ptr_equal(find(top, "1.1", &mime, &message), top->first_child);
	assert_false(message);
	assert_null(find(top, "1.1.1", &mime, &message));
	arena_free(&a);
}

static void bodies_are_decoded_whatever_is_wrong_with_them(void **state)
{
	static const struct {
		const char *encoding, *body, *want;
		size_t max;
		int known;
	} table[] = {
		{"base64", "aGVs\nbG8=\n", "hello", 0, 1},
		{"BASE64 (x)", "aG!V s-bG8", "hello", 0, 1},
		{"base64", "aGVsbG8=\n\n-- \nfooter", "hello", 0, 1},
		{"base64", "a", "", 0, 1},
		{"base64", "aGVsbG8=", "hel", 3, 1},
		{"quoted-printable", "a=3Db=\nc=20 \n=zz =4", "a=bc  \r\n=zz =4", 0, 1},
		{"quoted-printable", "a= \t\nb=\n", "ab", 0, 1},
		{"quoted-printable", "a_=e4=E4", "a_\xe4\xe4", 0, 1},
		{"quoted-printable", "abc=3Ddef", "abc=d", 5, 1},
		{"quoted-printable", "abc=3Ddef", "abc", 3, 1},
		{"7bit", "a=3Db", "a=3Db", 0, 1},
		{"Binary", "abc", "ab", 2, 1},
		{"x-uuencode", "abc", "abc", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct arena a = {0};
		struct buf b = {0}, got = {0};

		buf_addv(&b, "Content-Transfer-Encoding: ", table[i].encoding, "\n\n", table[i].body, NULL);
		buf_addc(&b, 0);
		assert_int_equal(mime_decode_body(&got, parse(&a, buf_str(&b).p), table[i].max),
			table[i].known);
		assert_str(buf_str(&got), table[i].want);
		buf_free(&b);
		buf_free(&got);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_without_a_usable_content_type_is_text_plain),
		cmocka_unit_test(line_ends_before_a_boundary_belong_to_it),
		cmocka_unit_test(boundaries_are_found_as_rfc_2046_says_and_no_better),
		cmocka_unit_test(an_outer_boundary_closes_the_multiparts_in_it),
		cmocka_unit_test(a_message_in_a_part_is_a_tree_of_its_own),
		cmocka_unit_test(bare_line_feeds_are_line_ends_too),
		cmocka_unit_test(parameters_are_read_the_way_they_are_sent),
		cmocka_unit_test(nesting_stops_at_the_configured_depth),
		cmocka_unit_test(parts_stop_at_the_configured_number),
		cmocka_unit_test(a_message_in_pieces_has_the_same_tree),
		cmocka_unit_test(lines_and_headers_of_any_length_are_read_in_bounded_memory),
		cmocka_unit_test(running_out_of_memory_gives_no_tree),
		cmocka_unit_test(sections_are_numbered_as_in_the_example_of_rfc_9051),
		cmocka_unit_test(a_message_without_parts_is_its_own_part_1),
		cmocka_unit_test(bodies_are_decoded_whatever_is_wrong_with_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
