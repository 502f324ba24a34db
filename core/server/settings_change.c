/* SPDX-License-Identifier: 0BSD */
/* What changed when the settings were read again, and whom it concerns. */
#include <string.h>

#include "core/hooks.h"
#include "core/lib/settings.h"
#include "core/server/server.h"
#include "core/server/transport.h"

/* Settings of the transport go to the gate with its keys, but for those of listeners.  True: `line` is
 * one of them. */
static bool is_transports(struct str line)
{
	FEATURE_EACH (f) {
		size_t n = strlen(f->name);

		if (f->transport && str_istarts(line, str_from(f->name)) && line.len > n &&
			line.p[n] == '_')
			return true;
	}
	return false;
}

static bool names_listeners(struct str line)
{
	const struct transport *tr = srv_transport();

	for (const struct transport_listen *l = tr ? tr->listen : NULL; l && l->key; l++) {
		if (str_istarts(line, str_from(l->key)))
			return true;
	}
	return false;
}

/* Settings that the gate alone reads. */
static bool is_gates(struct str line)
{
	static const char *const keys[] = {"imap_listen:", "lmtp_listen:", "lmtp_peers:", "listen_backlog:",
		"prelogin_", "login_failure", "plaintext:"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (str_istarts(line, str_from(keys[i])))
			return true;
	}
	return names_listeners(line);
}

void srv_settings_print(struct buf *out)
{
	size_t n;
	const struct setting *const *table = srv_settings_all(&n);

	settings_print(table, n, out);
}

enum srv_change srv_settings_compare(struct str before, struct str after)
{
	struct cursor a = cursor_from(before), b = cursor_from(after);
	enum srv_change changed = SRV_SAME;
	bool ended;

	while (!cursor_done(&b)) {
		struct str old = cursor_take_line(&a, &ended), fresh = cursor_take_line(&b, &ended);

		if (str_eq(old, fresh) || is_transports(fresh))
			continue;
		if (!is_gates(fresh))
			return SRV_FOR_ALL;
		changed = SRV_FOR_GATE;
	}
	return changed;
}

void srv_settings_put_back(struct str settings)
{
	struct buf ignored = {0};
	size_t n;
	const struct setting *const *table = srv_settings_all(&n);

	settings_parse(table, n, "", settings, &ignored);
	buf_free(&ignored);
}
