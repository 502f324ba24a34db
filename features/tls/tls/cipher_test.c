/* SPDX-License-Identifier: 0BSD */
/* What was made fast in the library gives what it gave before, and what the standards print. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/gcm.h>

#include "features/tls/tls/tls.h"

#define MOST 1500

static unsigned char text[MOST];

static void begin(mbedtls_gcm_context *g, int mode, unsigned bits)
{
	static const unsigned char key[32] = "a key of two hundred and 56 bits";

	mbedtls_gcm_init(g);
	assert_int_equal(mbedtls_gcm_setkey(g, MBEDTLS_CIPHER_ID_AES, key, bits), 0);
	assert_int_equal(mbedtls_gcm_starts(g, mode, (const unsigned char *)"twelve bytes", 12), 0);
	assert_int_equal(mbedtls_gcm_update_ad(g, (const unsigned char *)"head", 4), 0);
}

/* The whole at once, or in pieces of `step`. */
static void pass(int mode, unsigned bits, size_t n, size_t step, const unsigned char *in, unsigned char *out,
	unsigned char tag[16])
{
	mbedtls_gcm_context g;
	size_t got;

	begin(&g, mode, bits);
	for (size_t at = 0; at < n; at += step) {
		size_t piece = n - at < step ? n - at : step;

		assert_int_equal(mbedtls_gcm_update(&g, in + at, piece, out + at, piece, &got), 0);
		assert_int_equal(got, piece);
	}
	assert_int_equal(mbedtls_gcm_finish(&g, NULL, 0, &got, tag, 16), 0);
	mbedtls_gcm_free(&g);
}

static void many_blocks_at_once_give_what_one_after_the_other_gives(void **state)
{
	static unsigned char one[MOST], many[MOST], back[MOST];
	unsigned char tag_one[16], tag_many[16], tag_back[16];

	(void)state;
	for (size_t i = 0; i < MOST; i++)
		text[i] = (unsigned char)(i * 37 + i / 7);
	for (unsigned bits = 128; bits <= 256; bits += 128) {
		for (size_t n = 0; n <= MOST; n += n < 300 ? 1 : 97) {
			pass(MBEDTLS_GCM_ENCRYPT, bits, n, 16, text, one, tag_one);
			pass(MBEDTLS_GCM_ENCRYPT, bits, n, MOST, text, many, tag_many);
			assert_memory_equal(one, many, n);
			assert_memory_equal(tag_one, tag_many, 16);
			/* In place, and from an odd place on. */
			memcpy(back, many, n);
			pass(MBEDTLS_GCM_DECRYPT, bits, n, 401, back, back, tag_back);
			assert_memory_equal(back, text, n);
			assert_memory_equal(tag_back, tag_one, 16);
		}
	}
}

/* Little endian, as in RFC 7748. */
static void multiply(const unsigned char scalar[32], const unsigned char point[32], unsigned char result[32])
{
	mbedtls_ecp_group group;
	mbedtls_ecp_point p, r;
	mbedtls_mpi m;

	mbedtls_ecp_group_init(&group);
	mbedtls_ecp_point_init(&p);
	mbedtls_ecp_point_init(&r);
	mbedtls_mpi_init(&m);
	assert_int_equal(mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_CURVE25519), 0);
	assert_int_equal(mbedtls_ecp_point_read_binary(&group, &p, point, 32), 0);
	assert_int_equal(mbedtls_mpi_read_binary_le(&m, scalar, 32), 0);
	/* RFC 7748 5: these bits of a private key are set and cleared. */
	assert_int_equal(mbedtls_mpi_set_bit(&m, 0, 0) | mbedtls_mpi_set_bit(&m, 1, 0) |
			mbedtls_mpi_set_bit(&m, 2, 0) | mbedtls_mpi_set_bit(&m, 255, 0) |
			mbedtls_mpi_set_bit(&m, 254, 1), 0);
	assert_int_equal(mbedtls_ecp_mul(&group, &r, &m, &p, tls_random, NULL), 0);
	assert_int_equal(mbedtls_mpi_write_binary_le(&r.MBEDTLS_PRIVATE(X), result, 32), 0);
	mbedtls_mpi_free(&m);
	mbedtls_ecp_point_free(&r);
	mbedtls_ecp_point_free(&p);
	mbedtls_ecp_group_free(&group);
}

/* RFC 7748 5.2, the iterated test. */
static void curve25519_computes_what_the_standard_prints(void **state)
{
	static const unsigned char once[32] = "\x42\x2c\x8e\x7a\x62\x27\xd7\xbc\xa1\x35\x0b\x3e\x2b\xb7\x27\x9f"
		"\x78\x97\xb8\x7b\xb6\x85\x4b\x78\x3c\x60\xe8\x03\x11\xae\x30\x79";
	static const unsigned char thousand[32] = "\x68\x4c\xf5\x9b\xa8\x33\x09\x55\x28\x00\xef\x56\x6f\x2f\x4d\x3c"
		"\x1c\x38\x87\xc4\x93\x60\xe3\x87\x5f\x2e\xb9\x4d\x99\x53\x2c\x51";
	unsigned char k[32] = {9}, u[32] = {9}, r[32];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		multiply(k, u, r);
		memcpy(u, k, sizeof(u));
		memcpy(k, r, sizeof(k));
		if (i == 0)
			assert_memory_equal(k, once, sizeof(k));
	}
	assert_memory_equal(k, thousand, sizeof(k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_blocks_at_once_give_what_one_after_the_other_gives),
		cmocka_unit_test(curve25519_computes_what_the_standard_prints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
