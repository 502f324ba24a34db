/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/hooks.h"

extern const struct feature sasl_scram_plus_feature;

static const struct {
	bool plus, exporter, endpoint;
	const char *message;
	enum hook_result want;
	const char *name;
} cases[] = {
	{true, true, true, "p=tls-exporter,,n=u,r=x", HOOK_DONE, "tls-exporter"},
	{true, true, true, "p=tls-server-end-point,,n=u,r=x", HOOK_DONE, "tls-server-end-point"},
	{true, false, true, "p=tls-server-end-point,,n=u,r=x", HOOK_DONE, "tls-server-end-point"},
	{true, false, true, "p=tls-exporter,,n=u,r=x", HOOK_FAIL, NULL},
	{true, true, false, "p=tls-server-end-point,,n=u,r=x", HOOK_FAIL, NULL},
	{true, true, true, "p=tls-unique,,n=u,r=x", HOOK_FAIL, NULL},
	{true, true, true, "p=TLS-EXPORTER,,n=u,r=x", HOOK_FAIL, NULL},
	{true, true, true, "p=tls-exporter", HOOK_DONE, "tls-exporter"}, /* the mechanism refuses it */
	{true, true, true, "p=,,n=u,r=x", HOOK_FAIL, NULL},
	{true, true, true, "p", HOOK_FAIL, NULL},
	{true, true, true, "n,,n=u,r=x", HOOK_FAIL, NULL},
	{true, true, true, "y,,n=u,r=x", HOOK_FAIL, NULL},
	{true, true, true, "", HOOK_FAIL, NULL},
	{true, false, false, "p=tls-exporter,,n=u,r=x", HOOK_FAIL, NULL},
	/* by the name without -PLUS */
	{false, true, true, "n,,n=u,r=x", HOOK_PASS, NULL},
	{false, true, true, "y,,n=u,r=x", HOOK_FAIL, NULL}, /* the offer was changed on its way */
	{false, true, false, "y,a=b,n=u,r=x", HOOK_FAIL, NULL},
	{false, false, true, "y,,n=u,r=x", HOOK_FAIL, NULL},
	{false, false, false, "y,,n=u,r=x", HOOK_PASS, NULL},
	{false, true, true, "p=tls-exporter,,n=u,r=x", HOOK_FAIL, NULL},
	{false, true, true, "", HOOK_PASS, NULL},
};

static void the_clients_flag_decides_what_is_bound(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sasl_bindings there = {
			cases[i].exporter ? STR("exported") : STR(""),
			cases[i].endpoint ? STR("hashed") : STR("")};
		struct str name = STR_NULL, data = STR_NULL;
		enum hook_result rc = sasl_scram_plus_feature.sasl_bind(cases[i].plus,
			str_from(cases[i].message), &there, &name, &data);

		if (rc != cases[i].want)
			print_error("case %zu: %s\n", i, cases[i].message);
		assert_int_equal(rc, cases[i].want);
		if (rc != HOOK_DONE)
			continue;
		assert_true(str_eq(name, str_from(cases[i].name)));
		assert_true(str_eq(data, name.len == 12 ? there.exporter : there.endpoint));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_clients_flag_decides_what_is_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
