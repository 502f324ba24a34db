/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/lib/crc32c.h"
#include "core/server/server.h"
#include "features/session/proxy_protocol/header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x00\x8f" /* 192.0.2.1:56324 */

static struct proxy_protocol_header h;
static const char *why;

static int parse(struct str in)
{
	why = NULL;
	return proxy_protocol_parse(in, &h, &why);
}

static void source_is(const char *address)
{
	struct buf out = {0};

	assert_true(h.has_source);
	srv_address_add(&out, &h.source);
	assert_true(str_eq(buf_str(&out), str_from(address)));
	buf_free(&out);
}

/* The header alone, with its client behind it, and each shorter beginning of it. */
static void complete(struct str header)
{
	struct buf more = {0};

	buf_addstr(&more, header);
	buf_adds(&more, "a LOGIN me pw\r\nPROXY TCP4");
	assert_int_equal(parse(buf_str(&more)), header.len);
	for (size_t n = 0; n < header.len; n++)
		assert_int_equal(parse((struct str){header.p, n}), 0);
	assert_int_equal(parse(header), header.len);
	assert_null(why);
	buf_free(&more);
}

static void wrong(struct str in)
{
	assert_int_equal(parse(in), -1);
	assert_non_null(why);
}

static void test_a_line_names_the_client(void **state)
{
	(void)state;
	complete(STR("PROXY TCP4 192.0.2.1 198.51.100.2 56324 143\r\n"));
	source_is("192.0.2.1");
	complete(STR("PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n"));
	source_is("2001:db8::7");
	/* The longest there is, section 2.1. */
	complete(STR("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"));
	assert_false(h.has_source);
	complete(STR("PROXY UNKNOWN\r\n"));
	assert_false(h.has_source);
}

static void test_a_malformed_line_is_none(void **state)
{
	(void)state;
	wrong(STR("a LOGIN me pw\r\n"));
	wrong(STR("proxy TCP4 192.0.2.1 198.51.100.2 56324 143\r\n"));
	wrong(STR("PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n"));
	wrong(STR("PROXY TCP4 192.0.2.1 198.51.100.2 56324 143 1\r\n"));
	wrong(STR("PROXY TCP4  192.0.2.1 198.51.100.2 56324 143\r\n"));
	wrong(STR("PROXY TCP4 192.0.2.256 198.51.100.2 56324 143\r\n"));
	wrong(STR("PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n"));
	wrong(STR("PROXY TCP6 192.0.2.1 198.51.100.2 56324 143\r\n"));
	wrong(STR("PROXY TCP4 192.0.2.1 198.51.100.2 65536 143\r\n"));
	wrong(STR("PROXY TCP4 192.0.2.1 198.51.100.2 0056 143\r\n"));
	wrong(STR("PROXY TCP4 192.0.2.1 198.51.100.2 -1 143\r\n"));
	wrong(STR("PROXY TCP4 192.0.2.1 198.51.100.2 56324 143\n"));
	wrong(STR("PROXY UDP4 192.0.2.1 198.51.100.2 56324 143\r\n"));
	wrong(STR("PROXY UNKNOWNS\r\n"));
	wrong(STR("PROXY \r\n"));
	wrong(STR("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535x\r\n"));
}

static void test_a_binary_header_names_the_client(void **state)
{
	(void)state;
	complete(STR(SIGNATURE "\x21\x11\x00\x0c" V4));
	source_is("192.0.2.1");
	assert_false(h.tls);
	complete(STR(SIGNATURE "\x21\x21\x00\x24"
			       "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
			       "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
			       "\x00\x01\x00\x8f"));
	source_is("2001:db8::7");
}

static void test_a_proxy_may_speak_for_itself_or_not_know(void **state)
{
	(void)state;
	complete(STR(SIGNATURE "\x20\x00\x00\x00"));
	assert_false(h.has_source);
	complete(STR(SIGNATURE "\x20\x11\x00\x0c" V4)); /* LOCAL: addresses are passed over */
	assert_false(h.has_source);
	complete(STR(SIGNATURE "\x21\x00\x00\x03xyz"));
	assert_false(h.has_source);
}

static void test_a_client_behind_a_unix_socket_of_the_proxy_is_local(void **state)
{
	struct buf in = {0};

	(void)state;
	buf_addstr(&in, STR(SIGNATURE "\x21\x31\x00\xd8"));
	for (int i = 0; i < 216; i++)
		buf_addc(&in, 'x');
	complete(buf_str(&in));
	source_is("unix");
	buf_free(&in);
}

static void test_extensions_are_read_as_far_as_they_matter(void **state)
{
	(void)state;
	complete(STR(SIGNATURE "\x21\x11\x00\x17" V4 "\x04\x00\x00\x20\x00\x05\x01\0\0\0\0"));
	assert_true(h.tls);
	complete(STR(SIGNATURE "\x21\x11\x00\x14" V4 "\x20\x00\x05\x00\0\0\0\0"));
	assert_false(h.tls);
	wrong(STR(SIGNATURE "\x21\x11\x00\x0e" V4 "\x04\x00"));         /* cut off */
	wrong(STR(SIGNATURE "\x21\x11\x00\x10" V4 "\x04\x00\x02x"));    /* longer than there is */
	wrong(STR(SIGNATURE "\x21\x11\x00\x13" V4 "\x20\x00\x04\x01\0\0\0"));
}

static void test_a_checksum_is_held_against_the_header(void **state)
{
	char text[] = SIGNATURE "\x21\x11\x00\x13" V4 "\x03\x00\x04\0\0\0\0";
	struct str in = {text, sizeof(text) - 1};
	uint32_t crc = crc32c(0, text, in.len);

	(void)state;
	wrong(in);
	for (int i = 0; i < 4; i++)
		text[in.len - 4 + i] = (char)(crc >> (24 - 8 * i));
	complete(in);
	source_is("192.0.2.1");
	text[20] ^= 1;
	wrong(in);
}

static void test_a_malformed_binary_header_is_none(void **state)
{
	(void)state;
	wrong(STR(SIGNATURE "\x11\x11\x00\x0c" V4)); /* version 1 */
	wrong(STR(SIGNATURE "\x22\x11\x00\x0c" V4)); /* neither LOCAL nor PROXY */
	wrong(STR(SIGNATURE "\x21\x12\x00\x0c" V4)); /* UDP */
	wrong(STR(SIGNATURE "\x21\x11\x00\x0b" V4)); /* too short for its addresses */
	wrong(STR(SIGNATURE "\x21\x11\xff\xff"));    /* too long to wait for */
	wrong(STR("\r\n\r\n\0\r\nQUIZ"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_names_the_client),
		cmocka_unit_test(test_a_malformed_line_is_none),
		cmocka_unit_test(test_a_binary_header_names_the_client),
		cmocka_unit_test(test_a_proxy_may_speak_for_itself_or_not_know),
		cmocka_unit_test(test_a_client_behind_a_unix_socket_of_the_proxy_is_local),
		cmocka_unit_test(test_extensions_are_read_as_far_as_they_matter),
		cmocka_unit_test(test_a_checksum_is_held_against_the_header),
		cmocka_unit_test(test_a_malformed_binary_header_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
