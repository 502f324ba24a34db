/* SPDX-License-Identifier: 0BSD */
/*
 * libsasl2 asks for what is kept of a user.  Who is unknown, or has nothing of the kind that the
 * mechanism needs, gets a made-up secret that no password fits: the exchange goes on as for anybody,
 * and only its end says no.
 */
#include "core/auth/exchange.h"

#include <string.h>
#include <mbedtls/platform_util.h>
#include <sasl/saslplug.h>

#include "core/hooks.h"
#include "core/lib/text.h"

/* The exchange that a library call belongs to. */
static struct auth_exchange *exchange_of(const sasl_server_params_t *params)
{
	sasl_callback_ft proc;
	void *context = NULL;

	if (params->utils->getcallback(params->utils->conn, SASL_CB_SERVER_USERDB_CHECKPASS, &proc,
		    &context) != SASL_OK)
		return NULL;
	return context;
}

/* The same for the same name, also after a restart, and not to be guessed: a salt that changed with
 * each question would tell that nobody has it. */
static int invent(struct auth_exchange *x, const struct sasl_kept *kept, struct str name,
	struct buf *line)
{
	unsigned char seed[32];
	struct buf text = {0};
	int rc;

	buf_addv(&text, kept->kind, "$", NULL);
	if (buf_addstr(&text, name))
		return -1;
	user_hmac(x->auth->install_key, buf_str(&text), seed);
	rc = kept->invent(kept, seed, line);
	buf_free(&text);
	return rc;
}

static int set_property(sasl_server_params_t *params, const char *name, const struct sasl_kept *kept,
	struct str line)
{
	struct str text = line;
	struct buf bytes = {0};
	int rc = SASL_OK;

	if (kept->base64) {
		text.p += strlen(kept->kind) + 1;
		text.len -= strlen(kept->kind) + 1;
		if (!buf_reserve(&bytes, text.len + 1))
			rc = SASL_NOMEM;
		else if (text_base64_decode(&bytes, text, true))
			rc = SASL_UNAVAIL;
		text = buf_str(&bytes);
	}
	if (rc == SASL_OK)
		rc = params->utils->prop_set(params->propctx, name, text.p, (int)text.len);
	buf_wipe(&bytes);
	return rc;
}

static int fill(sasl_server_params_t *params, const struct sasl_kept *kept, struct str line)
{
	int rc = SASL_OK;

	for (const struct propval *p = params->utils->prop_get(params->propctx);
			p && p->name && rc == SASL_OK; p++)
		if (!p->values && strcmp(p->name, kept->property) == 0)
			rc = set_property(params, p->name, kept, line);
	return rc;
}

static int on_lookup(void *context, sasl_server_params_t *params, unsigned flags, const char *user,
	unsigned len)
{
	struct auth_exchange *x = exchange_of(params);
	const struct sasl_kept *kept;
	struct buf line = {0};
	int found, rc = SASL_NOMEM;

	(void)context;
	if (!x || !user)
		return SASL_BADPARAM;
	/* Whether there is somebody to act for is not told to who has proved nothing yet. */
	if (flags & SASL_AUXPROP_AUTHZID)
		return SASL_OK;
	kept = x->mech ? x->mech->kept : NULL;
	if (!kept)
		return SASL_OK; /* on_checkpass() will see, and at the end accept_user() */
	found = auth_find_line(x, (struct str){user, len}, kept->kind, &line);
	if (found < 0)
		rc = SASL_UNAVAIL;
	else if (found || !invent(x, kept, (struct str){user, len}, &line))
		rc = fill(params, kept, buf_str(&line));
	x->looked_up = true;
	buf_wipe(&line);
	return rc;
}

static char plugin_name[] = AUTH_USERS_PLUGIN;
static sasl_auxprop_plug_t users_plugin = {
	.auxprop_lookup = on_lookup,
	.name = plugin_name,
};

int auth_lookup_init(const sasl_utils_t *utils, int max_version, int *version_r,
	sasl_auxprop_plug_t **plugin_r, const char *name)
{
	(void)utils;
	(void)name;
	if (max_version < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	*version_r = SASL_AUXPROP_PLUG_VERSION;
	*plugin_r = &users_plugin;
	return SASL_OK;
}
