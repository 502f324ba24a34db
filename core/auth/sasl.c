/* SPDX-License-Identifier: 0BSD */
/*
 * libsasl2's callbacks.  The library decides nothing of its own here: names are cleaned by us,
 * passwords checked by us against the stored secrets, and nobody may act for somebody else.
 */
#include "core/auth/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <mbedtls/platform_util.h>
#include <sasl/saslplug.h>

#include "core/auth/warm.h"
#include "core/hooks.h"
#include "core/lib/log.h"

/* Not a name, see user_name_clean(). */
#define NOBODY "/"

static void *mutex_new(void)
{
	pthread_mutex_t *m = malloc(sizeof(*m));

	if (m)
		pthread_mutex_init(m, NULL);
	return m;
}

static int mutex_lock(void *m)
{
	return pthread_mutex_lock(m) ? SASL_FAIL : SASL_OK;
}

static int mutex_unlock(void *m)
{
	return pthread_mutex_unlock(m) ? SASL_FAIL : SASL_OK;
}

static void mutex_free(void *m)
{
	if (m)
		pthread_mutex_destroy(m);
	free(m);
}

static int on_getopt(void *context, const char *plugin, const char *option, const char **result,
	unsigned *len)
{
	(void)context;
	(void)plugin;
	/* No method of the library's own is tried after on_checkpass() said no. */
	if (strcmp(option, "pwcheck_method") == 0)
		*result = "";
	else if (strcmp(option, "auxprop_plugin") == 0)
		*result = AUTH_USERS_PLUGIN;
	else
		return SASL_FAIL;
	if (len)
		*len = (unsigned)strlen(*result);
	return SASL_OK;
}

static int on_log(void *context, int level, const char *message)
{
	(void)context;
	(void)level;
	/* Failed logins are reported by the role, once; this is for those who look for a reason. */
	log_debug("sasl", "message", message ? message : "", NULL);
	return SASL_OK;
}

static int on_canon_user(sasl_conn_t *conn, void *context, const char *in, unsigned len,
	unsigned flags, const char *realm, char *out, unsigned max, unsigned *len_r)
{
	struct auth_exchange *x = context;
	struct buf clean = {0};
	bool is_name = !user_name_clean((struct str){in, len}, &clean);

	(void)conn;
	(void)realm;
	if (!is_name) {
		if (errno != EINVAL)
			return SASL_NOMEM;
		/* The exchange goes on, and fails as for any unknown name. */
		if (buf_adds(&clean, NOBODY))
			return SASL_NOMEM;
	}
	if (clean.len >= max) {
		buf_free(&clean);
		return SASL_BUFOVER;
	}
	memcpy(out, buf_str(&clean).p, clean.len);
	out[clean.len] = '\0';
	*len_r = (unsigned)clean.len;
	/* For the log: after a failure the library knows it no more. */
	if (flags & SASL_CU_AUTHID) {
		buf_clear(&x->tried);
		if (is_name)
			buf_addstr(&x->tried, buf_str(&clean));
	}
	buf_free(&clean);
	return SASL_OK;
}

/* RFC 4616 2: the authorisation identity must be the one that was proved. */
static int on_authorize(sasl_conn_t *conn, void *context, const char *wanted, unsigned wanted_len,
	const char *proved, unsigned proved_len, const char *realm, unsigned realm_len,
	struct propctx *props)
{
	(void)conn;
	(void)context;
	(void)realm;
	(void)realm_len;
	(void)props;
	return wanted && proved && str_eq((struct str){wanted, wanted_len},
					   (struct str){proved, proved_len})
		? SASL_OK : SASL_NOAUTHZ;
}

static int on_checkpass(sasl_conn_t *conn, void *context, const char *user, const char *pass,
	unsigned len, struct propctx *props)
{
	struct auth_exchange *x = context;
	struct str password = {pass, len};
	struct user_secret secret;
	struct timespec now;
	int found = auth_find_user(x, str_from(user), &secret), fits;

	(void)conn;
	(void)props;
	if (found < 0)
		return SASL_UNAVAIL;
	/* An unknown name takes as long as a wrong password. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	fits = warm_secret_check(found ? &secret : &x->auth->nobody, password, now.tv_sec);
	mbedtls_platform_zeroize(&secret, sizeof(secret));
	x->hashed = true;
	return found && fits == 1 ? SASL_OK : SASL_BADAUTH;
}

/* The library keeps functions of all kinds in one type and casts them back. */
#define CALLBACK(function) ((sasl_callback_ft)(void (*)(void))(function))

static const sasl_callback_t global_callbacks[] = {
	{SASL_CB_GETOPT, CALLBACK(on_getopt), NULL},
	{SASL_CB_LOG, CALLBACK(on_log), NULL},
	{SASL_CB_LIST_END, NULL, NULL},
};

static int add_mechanisms(struct buf *error_r)
{
	FEATURE_EACH (f) {
		for (const struct sasl_mech *m = f->sasl_mechs; m && m->name; m++) {
			int rc = m->add ? m->add(m) : SASL_OK;

			if (rc != SASL_OK) {
				buf_addv(error_r, "mechanism ", m->name, ": ",
					sasl_errstring(rc, NULL, NULL), NULL);
				return -1;
			}
		}
	}
	return 0;
}

int auth_sasl_start(struct auth *a, struct buf *error_r)
{
	int rc;

	(void)a;
	auth_memory_start();
	sasl_set_mutex(mutex_new, mutex_lock, mutex_unlock, mutex_free);
	/* Without a name the library looks for no configuration file. */
	rc = sasl_server_init(global_callbacks, NULL);
	if (rc == SASL_OK)
		rc = sasl_auxprop_add_plugin(AUTH_USERS_PLUGIN, auth_lookup_init);
	if (rc != SASL_OK) {
		buf_addv(error_r, "libsasl2: ", sasl_errstring(rc, NULL, NULL), NULL);
		goto stop_sasl;
	}
	if (add_mechanisms(error_r))
		goto stop_sasl;
	return 0;

stop_sasl:
	auth_sasl_stop();
	return -1;
}

void auth_sasl_stop(void)
{
	(void)sasl_server_done();
}

static void set_callbacks(struct auth_exchange *x)
{
	const sasl_callback_t all[AUTH_CALLBACKS] = {
		{SASL_CB_LOG, CALLBACK(on_log), x},
		{SASL_CB_CANON_USER, CALLBACK(on_canon_user), x},
		{SASL_CB_PROXY_POLICY, CALLBACK(on_authorize), x},
		{SASL_CB_SERVER_USERDB_CHECKPASS, CALLBACK(on_checkpass), x},
		{SASL_CB_LIST_END, NULL, NULL},
	};

	memcpy(x->callbacks, all, sizeof(all));
}

static const struct sasl_mech *find_mech(const struct auth_exchange *x)
{
	FEATURE_EACH (f) {
		for (const struct sasl_mech *m = f->sasl_mechs; m && m->name; m++)
			if (x->kind == AUTH_SASL && strcmp(m->name, x->mechanism) == 0)
				return m;
	}
	return NULL;
}

static int open_conn(struct auth_exchange *x)
{
	sasl_security_properties_t props = {
		.security_flags = x->secure ? 0 : SASL_SEC_NOPLAINTEXT,
	};
	int rc;

	x->mech = find_mech(x);
	if (!x->mech || !x->mech->anonymous)
		props.security_flags |= SASL_SEC_NOANONYMOUS;
	set_callbacks(x);
	/* The host name is always given: else the library would ask the network for it. */
	rc = sasl_server_new(x->service, x->auth->hostname, NULL, NULL, NULL, x->callbacks, 0,
		&x->conn);
	return rc == SASL_OK ? sasl_setprop(x->conn, SASL_SEC_PROPS, &props) : rc;
}

static int run_login(struct auth_exchange *x)
{
	struct str user = buf_str(&x->user), password = buf_str(&x->password);

	/* Both end in a NUL that is not counted; the library takes length 0 for "measure it". */
	return sasl_checkpass(x->conn, user.p, (unsigned)user.len - 1, password.p,
		(unsigned)password.len - 1);
}

static int run_step(struct auth_exchange *x)
{
	struct str in = buf_str(&x->response);
	const char *out = NULL;
	unsigned len = 0;
	int rc;

	if (x->rounds++ == 0)
		rc = sasl_server_start(x->conn, x->mechanism, x->has_response ? in.p : NULL,
			x->has_response ? (unsigned)in.len : 0, &out, &len);
	else if (x->rounds > AUTH_ROUNDS_MAX)
		rc = SASL_BADPROT;
	else
		rc = sasl_server_step(x->conn, in.p, (unsigned)in.len, &out, &len);
	if (rc == SASL_CONTINUE && out && buf_add(&x->data, out, len))
		rc = SASL_NOMEM;
	return rc;
}

static void refuse(struct auth_exchange *x, const char *why)
{
	x->status = PRELOGIN_AUTH_REFUSED;
	buf_adds(&x->data, why);
}

static void accept_user(struct auth_exchange *x)
{
	const void *user = NULL;

	if (sasl_getprop(x->conn, SASL_USERNAME, &user) != SASL_OK || !user ||
			!*(const char *)user || buf_adds(&x->account, user))
		x->status = PRELOGIN_AUTH_UNAVAILABLE;
	else
		x->status = PRELOGIN_AUTH_OK;
}

static void judge(struct auth_exchange *x, int rc)
{
	x->status = PRELOGIN_AUTH_FAILED;
	if (x->unavailable) {
		x->status = PRELOGIN_AUTH_UNAVAILABLE;
		return;
	}
	switch (rc) {
	case SASL_OK:
		accept_user(x);
		break;
	case SASL_CONTINUE:
		x->status = PRELOGIN_AUTH_CONTINUE;
		break;
	case SASL_NOMEM:
	case SASL_UNAVAIL:
	case SASL_TRYAGAIN:
		x->status = PRELOGIN_AUTH_UNAVAILABLE;
		break;
	case SASL_NOMECH:
		if (!x->hashed && x->kind == AUTH_SASL)
			refuse(x, "no such mechanism");
		break;
	case SASL_ENCRYPT:
	case SASL_TOOWEAK:
		refuse(x, "this mechanism needs a secure connection");
		break;
	case SASL_FAIL: /* some plugins say so of what they cannot read */
		if (x->kind == AUTH_LOGIN)
			x->status = PRELOGIN_AUTH_UNAVAILABLE;
		else
			refuse(x, "malformed response");
		break;
	case SASL_BADPROT:
	case SASL_BADPARAM:
		if (x->kind == AUTH_SASL)
			refuse(x, "malformed response");
		break;
	}
}

/* A name that could not be one was refused before any hashing; the time should not tell. */
static void even_out(struct auth_exchange *x)
{
	struct str any = STR("any");

	if (x->status == PRELOGIN_AUTH_FAILED && !x->hashed && !x->looked_up)
		(void)user_secret_check(&x->auth->nobody, any);
}

void auth_sasl_run(struct auth_exchange *x)
{
	int rc = SASL_OK;

	buf_clear(&x->data);
	if (!x->conn)
		rc = open_conn(x);
	if (rc == SASL_OK)
		rc = x->kind == AUTH_LOGIN ? run_login(x) : run_step(x);
	judge(x, rc);
	if (x->status == PRELOGIN_AUTH_FAILED)
		buf_addstr(&x->account, buf_str(&x->tried));
	even_out(x);
	if (x->status != PRELOGIN_AUTH_CONTINUE) {
		x->finished = true;
		sasl_dispose(&x->conn);
	}
}
