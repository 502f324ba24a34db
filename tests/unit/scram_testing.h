/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_UNIT_SCRAM_TESTING_H
#define TESTS_UNIT_SCRAM_TESTING_H

/* What holds for a SCRAM mechanism whatever its hash; each of them brings an example of its own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/auth/scram.h"
#include "core/auth/user_value.h"
#include "core/lib/text.h"

/* An exchange of the user "user" with the password "pencil" and 4096 rounds. */
struct scram_example {
	const struct feature *feature;
	const char *salt;     /* base64 */
	const char *message;  /* the AuthMessage of RFC 5802 3 */
	const char *proof, *verifier;
};

static const struct scram_example *scram_example;

static const struct sasl_kept *scram_kept(void)
{
	return scram_example->feature->sasl_mechs->kept;
}

static const struct satchel_scram *scram_hash(void)
{
	return &((const struct auth_scram *)scram_kept()->own)->hash;
}

static void scram_decode(const char *text, struct buf *out)
{
	assert_int_equal(text_base64_decode(out, str_from(text), true), 0);
}

/* The Nth of the two keys at the end of a secret's text. */
static void scram_key(struct str text, int n, struct buf *key)
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
	assert_int_equal(key->len, scram_hash()->size);
}

static void a_secret_takes_the_proof_and_gives_the_verifier_of_the_example(void **state)
{
	struct buf text = {0}, salt = {0}, stored = {0}, server = {0}, client = {0}, said = {0};
	const struct satchel_scram *hash = scram_hash();
	struct str message = str_from(scram_example->message);
	unsigned char mac[64], again[64];

	(void)state;
	scram_decode(scram_example->salt, &salt);
	assert_int_equal(auth_scram_derive(hash, STR("pencil"), 4096, buf_str(&salt), &text), 0);
	scram_key(buf_str(&text), 0, &stored);
	scram_key(buf_str(&text), 1, &server);
	/* RFC 5802 3 */
	assert_ptr_equal(satchel_scram_hmac(hash, buf_str(&stored).p, hash->size, message.p,
		message.len, mac), mac);
	scram_decode(scram_example->proof, &client);
	assert_int_equal(client.len, hash->size);
	for (size_t i = 0; i < hash->size; i++)
		mac[i] ^= (unsigned char)buf_str(&client).p[i];
	assert_ptr_equal(satchel_scram_hash(hash, mac, hash->size, again), again);
	assert_memory_equal(again, buf_str(&stored).p, hash->size);
	assert_ptr_equal(satchel_scram_hmac(hash, buf_str(&server).p, hash->size, message.p,
		message.len, mac), mac);
	assert_int_equal(text_base64_encode(&said, (struct str){(const char *)mac, hash->size}), 0);
	assert_true(str_eq(buf_str(&said), str_from(scram_example->verifier)));
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
	assert_int_equal(user_value_find(buf_str(&value), str_from(scram_kept()->kind), &line), 1);
	assert_int_equal(user_value_find(buf_str(&other), str_from(scram_kept()->kind), &second), 1);
	assert_int_equal(user_value_find(buf_str(&value), STR("SCRAM-SHA"), &second), 0);
	assert_false(str_eq(line, second));
	buf_free(&value);
	buf_free(&other);
}

static void a_made_up_secret_has_the_same_salt_and_form_for_the_same_seed(void **state)
{
	const struct sasl_kept *kept = scram_kept();
	struct buf one = {0}, two = {0}, three = {0}, key = {0};
	const unsigned char seed[32] = "a seed of thirty-two bytes, yes", other[32] = "another";
	size_t salted = strlen(kept->kind) + sizeof("$4096:0123456789abcdef01234567$") - 1;

	(void)state;
	assert_int_equal(kept->invent(kept, seed, &one), 0);
	assert_int_equal(kept->invent(kept, seed, &two), 0);
	assert_int_equal(kept->invent(kept, other, &three), 0);
	if (CONFIG_SCRAM_ITERATIONS == 4096)
		assert_memory_equal(buf_str(&one).p, buf_str(&two).p, salted);
	assert_memory_not_equal(buf_str(&one).p, buf_str(&three).p, salted);
	scram_key(buf_str(&one), 0, &key);
	buf_clear(&key);
	scram_key(buf_str(&one), 1, &key);
	buf_free(&one);
	buf_free(&two);
	buf_free(&three);
	buf_free(&key);
}

static int scram_run_tests(const struct scram_example *example)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_takes_the_proof_and_gives_the_verifier_of_the_example),
		cmocka_unit_test(a_password_that_is_set_is_kept_in_this_form_with_a_fresh_salt),
		cmocka_unit_test(a_made_up_secret_has_the_same_salt_and_form_for_the_same_seed),
	};

	scram_example = example;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
