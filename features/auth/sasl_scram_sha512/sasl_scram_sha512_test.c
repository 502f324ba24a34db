/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/hooks.h"
#include "core/auth/scram.h"
#include "core/auth/user_value.h"
#include "core/lib/text.h"

#include <mbedtls/md.h>

extern const struct feature sasl_scram_sha512_feature;

static const struct satchel_scram hash = {.mechanism = "SCRAM-SHA-512", .size = 64, .md = MBEDTLS_MD_SHA512};

/* computed with another program; no RFC prints one */
#define MESSAGE \
	"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," \
	"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
static const char proof[] =
	"gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN"
	"8PPC6wdp6dybEmDYXYTxwnYPJQ==";
static const char verifier[] =
	"ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSe"
	"VGT4+5ZxXnJq199RVG2rR7N7Zw==";

/* The Nth of the two keys at the end of a secret's text. */
static void key_of(struct str text, int n, struct buf *key)
{
	struct cursor c = cursor_from(text);

	cursor_take_until(&c, '$');
	cursor_accept(&c, '$');
	cursor_take_until(&c, '$');
	cursor_accept(&c, '$');
	if (n) {
		cursor_take_until(&c, ':');
		cursor_accept(&c, ':');
	}
	assert_int_equal(text_base64_decode(key, n ? cursor_take(&c, cursor_left(&c))
						   : cursor_take_until(&c, ':'), true), 0);
	assert_int_equal(key->len, hash.size);
}

static void a_secret_takes_the_proof_and_gives_the_verifier_of_the_example(void **state)
{
	struct buf text = {0}, salt = {0}, stored = {0}, server = {0}, client = {0}, said = {0};
	unsigned char mac[64], again[64];

	(void)state;
	assert_int_equal(text_base64_decode(&salt, STR("W22ZaJ0SNY7soEsUEjb6gQ=="), true), 0);
	assert_int_equal(auth_scram_derive(&hash, STR("pencil"), 4096, buf_str(&salt), &text), 0);
	key_of(buf_str(&text), 0, &stored);
	key_of(buf_str(&text), 1, &server);
	/* RFC 5802 3 */
	assert_ptr_equal(satchel_scram_hmac(&hash, buf_str(&stored).p, hash.size, MESSAGE,
		sizeof(MESSAGE) - 1, mac), mac);
	assert_int_equal(text_base64_decode(&client, str_from(proof), true), 0);
	assert_int_equal(client.len, hash.size);
	for (size_t i = 0; i < hash.size; i++)
		mac[i] ^= (unsigned char)buf_str(&client).p[i];
	assert_ptr_equal(satchel_scram_hash(&hash, mac, hash.size, again), again);
	assert_memory_equal(again, buf_str(&stored).p, hash.size);
	assert_ptr_equal(satchel_scram_hmac(&hash, buf_str(&server).p, hash.size, MESSAGE,
		sizeof(MESSAGE) - 1, mac), mac);
	assert_int_equal(text_base64_encode(&said, (struct str){(const char *)mac, hash.size}), 0);
	assert_true(str_eq(buf_str(&said), str_from(verifier)));
	buf_free(&text);
	buf_free(&salt);
	buf_free(&stored);
	buf_free(&server);
	buf_free(&client);
	buf_free(&said);
}

static void a_password_that_is_set_is_kept_in_this_form_with_a_fresh_salt(void **state)
{
	struct buf value = {0}, other = {0};
	struct str line, second;

	(void)state;
	assert_int_equal(user_value_make(STR("pencil"), 4096, &value), 0);
	assert_int_equal(user_value_make(STR("pencil"), 4096, &other), 0);
	assert_int_equal(user_value_find(buf_str(&value), STR("SCRAM-SHA-512"), &line), 1);
	assert_int_equal(user_value_find(buf_str(&other), STR("SCRAM-SHA-512"), &second), 1);
	assert_int_equal(user_value_find(buf_str(&value), STR("SCRAM-SHA"), &second), 0);
	assert_false(str_eq(line, second));
	buf_free(&value);
	buf_free(&other);
}

static void a_made_up_secret_has_the_same_salt_and_form_for_the_same_seed(void **state)
{
	const struct sasl_kept *kept = sasl_scram_sha512_feature.sasl_mechs->kept;
	struct buf one = {0}, two = {0}, three = {0}, key = {0};
	const unsigned char seed[32] = "a seed of thirty-two bytes, yes", other[32] = "another";
	size_t salted = sizeof("SCRAM-SHA-512$4096:0123456789abcdef01234567$") - 1;

	(void)state;
	assert_int_equal(kept->invent(seed, &one), 0);
	assert_int_equal(kept->invent(seed, &two), 0);
	assert_int_equal(kept->invent(other, &three), 0);
	if (CONFIG_SCRAM_ITERATIONS == 4096)
		assert_memory_equal(buf_str(&one).p, buf_str(&two).p, salted);
	assert_memory_not_equal(buf_str(&one).p, buf_str(&three).p, salted);
	key_of(buf_str(&one), 0, &key);
	buf_clear(&key);
	key_of(buf_str(&one), 1, &key);
	buf_free(&one);
	buf_free(&two);
	buf_free(&three);
	buf_free(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_takes_the_proof_and_gives_the_verifier_of_the_example),
		cmocka_unit_test(a_password_that_is_set_is_kept_in_this_form_with_a_fresh_salt),
		cmocka_unit_test(a_made_up_secret_has_the_same_salt_and_form_for_the_same_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
