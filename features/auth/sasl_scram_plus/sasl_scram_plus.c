/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

/* What the client says of channel binding stands in front of its first message, the GS2 header (RFC
 * 5801 4): "n,": it cannot; "y,": it can, and believes that the server cannot; "p=NAME,": it does. */
static struct str gs2_flag(struct str message)
{
	struct cursor c = cursor_from(message);

	return cursor_take_until(&c, ',');
}

static bool take(struct str flag, struct str name, struct str data, struct str *name_r,
	struct str *data_r)
{
	struct cursor c = cursor_from(flag);

	/* Names are compared as they are: RFC 5056 7 has them in one form. */
	if (!data.len || !cursor_accept(&c, 'p') || !cursor_accept(&c, '=') ||
			!str_eq(cursor_take(&c, cursor_left(&c)), name))
		return false;
	*name_r = name;
	*data_r = data;
	return true;
}

/* RFC 5802 6 */
static enum hook_result sasl_scram_plus_bind(bool plus, struct str message,
	const struct sasl_bindings *there, struct str *name_r, struct str *data_r)
{
	struct str flag = gs2_flag(message);
	bool can = there->exporter.len || there->endpoint.len;

	if (plus)
		return take(flag, STR("tls-exporter"), there->exporter, name_r, data_r) ||
				take(flag, STR("tls-server-end-point"), there->endpoint, name_r, data_r)
			? HOOK_DONE : HOOK_FAIL;
	/* Somebody took the -PLUS forms out of what the client was offered. */
	if (can && str_eq(flag, STR("y")))
		return HOOK_FAIL;
	/* The binding belongs to the -PLUS forms; the mechanism judges all else. */
	return flag.len && flag.p[0] == 'p' ? HOOK_FAIL : HOOK_PASS;
}

const struct feature sasl_scram_plus_feature = {
	.name = "sasl_scram_plus",
	.sasl_bind = sasl_scram_plus_bind,
};
