/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/hooks.h"
#include "core/auth/user_value.h"
#include "core/lib/text.h"

extern const struct feature sasl_digest_md5_feature;

static void the_password_is_kept_in_base64(void **state)
{
	struct buf value = {0};
	struct str line;

	(void)state;
	assert_int_equal(user_value_make(STR("secret"), 4096, &value), 0);
	assert_int_equal(user_value_find(buf_str(&value), STR("PASSWORD"), &line), 1);
	assert_true(str_eq(line, STR("PASSWORD$c2VjcmV0")));
	buf_free(&value);
}

/* libsasl2 measures a password by its NUL and refuses an empty one with another answer. */
static void a_made_up_password_is_text_also_when_the_seed_holds_zeros(void **state)
{
	const struct sasl_kept *kept = sasl_digest_md5_feature.sasl_mechs->kept;
	const unsigned char seed[32] = {0};
	struct buf line = {0}, again = {0}, text = {0};
	struct str base64;

	(void)state;
	assert_int_equal(kept->invent(kept, seed, &line), 0);
	assert_int_equal(kept->invent(kept, seed, &again), 0);
	assert_true(str_eq(buf_str(&line), buf_str(&again)));
	base64 = buf_str(&line);
	base64.p += sizeof("PASSWORD$") - 1;
	base64.len -= sizeof("PASSWORD$") - 1;
	assert_int_equal(text_base64_decode(&text, base64, true), 0);
	assert_true(text.len >= 32);
	assert_null(memchr(buf_str(&text).p, 0, text.len));
	buf_free(&line);
	buf_free(&again);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_password_is_kept_in_base64),
		cmocka_unit_test(a_made_up_password_is_text_also_when_the_seed_holds_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
