/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <mbedtls/md.h>

#include "core/auth/users.h"
#include "core/lib/text.h"

static void pbkdf2_has_the_known_values(void **state)
{
	/* The inputs of RFC 6070 2 with SHA-256, RFC 7914 11, and keys at and over HMAC's block. */
	static const struct {
		const char *password, *salt;
		uint32_t iterations;
		const char *key;
	} known[] = {
		{"password", "salt", 1,
			"120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b"},
		{"password", "salt", 2,
			"ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"},
		{"password", "salt", 4096,
			"c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"},
		{"passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096,
			"348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1"},
		{"passwd", "salt", 1,
			"55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"},
		{"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", "salt", 3,
			"37681f3749277f6b4ddde0ffeb99b3fcf332f61ba1ee3612ed0fd921583c6cfe"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		unsigned char key[32];
		struct buf hex = {0};

		user_pbkdf2(str_from(known[i].password), str_from(known[i].salt), known[i].iterations,
			key);
		for (size_t k = 0; k < 32; k++)
			buf_addhex(&hex, key[k], 2);
		buf_addc(&hex, '\0');
		assert_string_equal(buf_str(&hex).p, known[i].key);
		buf_free(&hex);
	}
}

/* RFC 7677 3: user "user", password "pencil". */
#define RFC7677_NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC7677_AUTH_MESSAGE                                                                       \
	"n=user,r=rOprNGfwEbeRWgbNEkqO,r=" RFC7677_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"     \
	"c=biws,r=" RFC7677_NONCE

static void hmac(const unsigned char key[32], const char *text, unsigned char out[32])
{
	assert_int_equal(mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, 32,
				 (const unsigned char *)text, strlen(text), out), 0);
}

static void a_secret_fits_the_exchange_in_rfc_7677(void **state)
{
	struct buf salt = {0}, proof = {0}, sent = {0};
	unsigned char mac[32], hash[32];
	struct user_secret s;

	(void)state;
	assert_int_equal(text_base64_decode(&salt, STR("W22ZaJ0SNY7soEsUEjb6gQ=="), true), 0);
	user_secret_derive(STR("pencil"), 4096, buf_str(&salt), &s);
	hmac(s.server_key, RFC7677_AUTH_MESSAGE, mac);
	text_base64_encode(&sent, (struct str){(char *)mac, 32});
	assert_true(str_eq(buf_str(&sent), STR("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));

	assert_int_equal(text_base64_decode(&proof,
		STR("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), true), 0);
	hmac(s.stored_key, RFC7677_AUTH_MESSAGE, mac);
	for (size_t i = 0; i < 32; i++)
		mac[i] ^= (unsigned char)buf_str(&proof).p[i];
	assert_int_equal(mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), mac, 32, hash), 0);
	assert_memory_equal(hash, s.stored_key, 32);
	assert_int_equal(user_secret_check(&s, STR("pencil")), 1);
	assert_int_equal(user_secret_check(&s, STR("Pencil")), 0);
	buf_free(&salt);
	buf_free(&proof);
	buf_free(&sent);
}

static void a_password_fits_its_secret_and_no_other_does(void **state)
{
	struct user_secret s, t;

	(void)state;
	assert_int_equal(user_secret_make(STR("p\xc3\xa4ssword"), 4096, &s), 0);
	assert_int_equal(user_secret_make(STR("p\xc3\xa4ssword"), 4096, &t), 0);
	assert_memory_not_equal(s.salt, t.salt, 16);
	assert_memory_not_equal(s.stored_key, t.stored_key, 32);
	assert_int_equal(user_secret_check(&s, STR("p\xc3\xa4ssword")), 1);
	assert_int_equal(user_secret_check(&t, STR("p\xc3\xa4ssword")), 1);
	assert_int_equal(user_secret_check(&s, STR("password")), 0);
	assert_int_equal(user_secret_check(&s, STR("")), 0);
	assert_int_equal(user_secret_make(STR("end"), 4096, &s), 0);
	assert_int_equal(user_secret_check(&s, STR("end")), 1);
	assert_int_equal(user_secret_check(&s, STR("end\0")), 0);
	assert_int_equal(user_secret_make(STR("end\0"), 4096, &s), -1);
	assert_int_equal(user_secret_make(STR(""), 4096, &s), -1);
	assert_int_equal(user_secret_make(STR("x"), 4095, &s), -1);
	assert_int_equal(user_secret_make(STR("x"), USER_ITERATIONS_MAX + 1, &s), -1);
}

static void a_secret_survives_its_text(void **state)
{
	struct buf text = {0};
	struct user_secret s, t;

	(void)state;
	assert_int_equal(user_secret_make(STR("secret"), 5000, &s), 0);
	assert_int_equal(user_secret_format(&s, &text), 0);
	assert_true(str_istarts(buf_str(&text), STR("SCRAM-SHA-256$5000:")));
	assert_int_equal(user_secret_parse(buf_str(&text), &t), 0);
	assert_memory_equal(&s, &t, sizeof(s));
	/* No prefix of it is taken for a secret. */
	for (size_t n = 0; n < text.len; n++)
		assert_int_equal(user_secret_parse((struct str){buf_str(&text).p, n}, &t), -1);
	buf_addc(&text, 'A');
	assert_int_equal(user_secret_parse(buf_str(&text), &t), -1);
	buf_free(&text);
}

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void malformed_secrets_are_refused(void **state)
{
	static const char *const wrong[] = {
		"SCRAM-SHA-1$4096:AAAA$" KEY ":" KEY, "SCRAM-SHA-256$4095:AAAA$" KEY ":" KEY,
		"SCRAM-SHA-256$1000001:AAAA$" KEY ":" KEY,
		"SCRAM-SHA-256$99999999999999999999:AAAA$" KEY ":" KEY,
		"SCRAM-SHA-256$4096:$" KEY ":" KEY, "SCRAM-SHA-256$4096:AA*A$" KEY ":" KEY,
		"SCRAM-SHA-256$4096:AAAA$AAAA:" KEY, "SCRAM-SHA-256$4096:AAAA$" KEY ":AAAA",
		"SCRAM-SHA-256$4096:AAAA$" KEY, "SCRAM-SHA-256$-4096:AAAA$" KEY ":" KEY,
		"SCRAM-SHA-256$4096:AAAA$" KEY ":" KEY ":" KEY,
		"SCRAM-SHA-256$4096:" KEY KEY KEY "$" KEY ":" KEY,
	};
	struct user_secret s;

	(void)state;
	assert_int_equal(user_secret_parse(STR("SCRAM-SHA-256$4096:AAAA$" KEY ":" KEY), &s), 0);
	assert_int_equal(s.salt_len, 3);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(user_secret_parse(str_from(wrong[i]), &s), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pbkdf2_has_the_known_values),
		cmocka_unit_test(a_secret_fits_the_exchange_in_rfc_7677),
		cmocka_unit_test(a_password_fits_its_secret_and_no_other_does),
		cmocka_unit_test(a_secret_survives_its_text),
		cmocka_unit_test(malformed_secrets_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
