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

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

extern const struct feature sasl_cram_md5_feature;

/* RFC 2195 2 */
static void the_state_that_is_kept_answers_the_example(void **state)
{
	static const char challenge[] = "<1896.697170952@postoffice.reston.mci.net>";
	struct buf value = {0}, bytes = {0}, text = {0};
	unsigned char digest[16];
	HMAC_MD5_STATE kept;
	HMAC_MD5_CTX context;
	struct str line;

	(void)state;
	assert_int_equal(user_value_make(STR("tanstaaftanstaaf"), 4096, &value), 0);
	assert_int_equal(user_value_find(buf_str(&value), STR("CRAM-MD5"), &line), 1);
	line.p += sizeof("CRAM-MD5$") - 1;
	line.len -= sizeof("CRAM-MD5$") - 1;
	assert_int_equal(text_base64_decode(&bytes, line, true), 0);
	assert_int_equal(bytes.len, sizeof(kept));
	memcpy(&kept, buf_str(&bytes).p, sizeof(kept));
	_sasl_hmac_md5_import(&context, &kept);
	_sasl_MD5Update(&context.ictx, (const unsigned char *)challenge, sizeof(challenge) - 1);
	_sasl_hmac_md5_final(digest, &context);
	for (size_t i = 0; i < sizeof(digest); i++)
		buf_addhex(&text, digest[i], 2);
	assert_true(str_eq(buf_str(&text), STR("b913a602c7eda7a495b4e6e7334d3890")));
	buf_free(&value);
	buf_free(&bytes);
	buf_free(&text);
}

static void the_password_itself_is_not_kept(void **state)
{
	struct buf value = {0};

	(void)state;
	assert_int_equal(user_value_make(STR("only for cram"), 4096, &value), 0);
	buf_addc(&value, '\0');
	assert_null(strstr(buf_str(&value).p, "only for"));
	buf_free(&value);
}

static void a_made_up_state_is_the_same_for_the_same_seed(void **state)
{
	const struct sasl_kept *kept = sasl_cram_md5_feature.sasl_mechs->kept;
	const unsigned char seed[32] = "seed", other[32] = "other";
	struct buf one = {0}, two = {0}, three = {0};

	(void)state;
	assert_int_equal(kept->invent(kept, seed, &one), 0);
	assert_int_equal(kept->invent(kept, seed, &two), 0);
	assert_int_equal(kept->invent(kept, other, &three), 0);
	assert_true(str_eq(buf_str(&one), buf_str(&two)));
	assert_false(str_eq(buf_str(&one), buf_str(&three)));
	buf_free(&one);
	buf_free(&two);
	buf_free(&three);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_state_that_is_kept_answers_the_example),
		cmocka_unit_test(the_password_itself_is_not_kept),
		cmocka_unit_test(a_made_up_state_is_the_same_for_the_same_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
