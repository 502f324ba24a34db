/* SPDX-License-Identifier: 0BSD */
/*
 * libsasl2's callbacks.  The library decides nothing of its own here: names are cleaned by us,
 * passwords checked by us against the stored secrets, and we say who may act for whom.
 */
#include "core/auth/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sasl/saslplug.h>

#include "core/auth/user_value.h"
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

/* RFC 4422 2: called once the second name is proved; the first is whom it wants to act for.  An admin
 * may act for whoever has an account, also for who cannot log in. */
static int on_authorize(sasl_conn_t *conn, void *context, const char *wanted, unsigned wanted_len,
	const char *proved, unsigned proved_len, const char *realm, unsigned realm_len,
	struct propctx *props)
{
	struct str other = {wanted, wanted_len}, self = {proved, proved_len};
	struct auth_exchange *x = context;
	unsigned flags = 0, others;

	(void)conn;
	(void)realm;
	(void)realm_len;
	(void)props;
	if (!wanted || !proved)
		return SASL_NOAUTHZ;
	if (str_eq(other, self))
		return SASL_OK;
	if (auth_find_flags(x, self, &flags) == 1 && flags & USER_ADMIN && !(flags & USER_DISABLED) &&
			auth_find_flags(x, other, &others) == 1)
		return SASL_OK;
	x->denied = true;
	return SASL_NOAUTHZ;
}

static int on_checkpass(sasl_conn_t *conn, void *context, const char *user, const char *pass,
	unsigned len, struct propctx *props)
{
	struct auth_exchange *x = context;
	struct str password = {pass, len};
	struct buf line = {0};
	struct timespec now;
	int found = auth_find_password(x, str_from(user), &line), fits;

	(void)conn;
	(void)props;
	if (found < 0)
		return SASL_UNAVAIL;
	/* An unknown name takes as long as a wrong password. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	fits = warm_check(buf_str(found ? &line : &x->auth->nobody), password, now.tv_sec);
	buf_wipe(&line);
	x->hashed = true;
	if (fits < 0)
		return SASL_UNAVAIL;
	return found && fits ? SASL_OK : SASL_BADAUTH;
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

static const struct sasl_mech *find_mech(struct str name)
{
	FEATURE_EACH (f) {
		for (const struct sasl_mech *m = f->sasl_mechs; m && m->name; m++)
			if (str_eq(name, str_from(m->name)))
				return m;
	}
	return NULL;
}

static void choose_mech(struct auth_exchange *x)
{
	struct str name = str_from(x->mechanism), plus = STR(AUTH_PLUS);

	if (x->kind != AUTH_SASL)
		return;
	x->mech = find_mech(name);
	if (x->mech || name.len <= plus.len)
		return;
	name.len -= plus.len;
	x->plus = str_eq((struct str){name.p + name.len, plus.len}, plus);
	x->mech = x->plus ? find_mech(name) : NULL;
}

static int open_conn(struct auth_exchange *x)
{
	sasl_security_properties_t props = {
		.security_flags = x->secure ? 0 : SASL_SEC_NOPLAINTEXT,
	};
	int rc;

	choose_mech(x);
	if (x->kind == AUTH_SASL && !x->mech)
		return SASL_NOMECH;
	if (!x->mech || !x->mech->anonymous)
		props.security_flags |= SASL_SEC_NOANONYMOUS;
	set_callbacks(x);
	/* The host name is always given: else the library would ask the network for it. */
	rc = sasl_server_new(x->lmtp ? "lmtp" : "imap", x->auth->hostname, NULL, NULL, NULL,
		x->callbacks, 0, &x->conn);
	if (rc == SASL_OK)
		rc = sasl_setprop(x->conn, SASL_SEC_PROPS, &props);
	if (rc == SASL_OK && x->certificate.len)
		rc = sasl_setprop(x->conn, SASL_AUTH_EXTERNAL, buf_str(&x->certificate).p);
	return rc;
}

static void refuse(struct auth_exchange *x, const char *why)
{
	x->status = PRELOGIN_AUTH_REFUSED;
	buf_clear(&x->data);
	buf_adds(&x->data, why);
}

/* At the client's first message: which binding to the TLS connection does it mean (RFC 5802 6)? */
static int bind_channel(struct auth_exchange *x, struct str message)
{
	const struct sasl_bindings there = {buf_str(&x->exporter), buf_str(&x->endpoint)};
	enum hook_result rc = x->plus ? HOOK_FAIL : HOOK_PASS;
	struct str name = STR_NULL, data = STR_NULL;

	FEATURE_EACH (f) {
		if (f->sasl_bind && x->mech->bindable)
			rc = f->sasl_bind(x->plus, message, &there, &name, &data);
	}
	if (rc == HOOK_PASS)
		return SASL_OK;
	if (rc == HOOK_FAIL)
		return SASL_BADBINDING;
	x->binding = (sasl_channel_binding_t){.name = name.p, .critical = x->plus,
		.len = data.len, .data = (const unsigned char *)data.p};
	return sasl_setprop(x->conn, SASL_CHANNEL_BINDING, &x->binding);
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
	int rc = SASL_OK;

	if (x->has_response && !x->bound)
		rc = bind_channel(x, in);
	x->bound = x->has_response;
	if (rc != SASL_OK)
		return rc;
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

/* Proved to be `who` is not enough: the users may have changed meanwhile, EXTERNAL and ANONYMOUS have
 * looked at none, and who delivers must be one who may. */
static enum prelogin_auth admit(struct auth_exchange *x, struct str who)
{
	unsigned flags = 0;
	int found = auth_find_flags(x, who, &flags);

	if (found < 0)
		return PRELOGIN_AUTH_UNAVAILABLE;
	if (!found || flags & USER_DISABLED)
		return PRELOGIN_AUTH_FAILED;
	if (x->lmtp && !(flags & (USER_LMTP | USER_ADMIN))) {
		buf_adds(&x->data, "this user may not deliver");
		return PRELOGIN_AUTH_DENIED;
	}
	return PRELOGIN_AUTH_OK;
}

static struct str property(const struct auth_exchange *x, int number)
{
	const void *text = NULL;

	if (sasl_getprop(x->conn, number, &text) != SASL_OK || !text)
		return STR_NULL;
	return str_from(text);
}

static void accept_user(struct auth_exchange *x)
{
	struct str account = property(x, SASL_USERNAME), who = property(x, SASL_AUTHUSER);

	/* The LOGIN command sets one name alone. */
	if (!who.len)
		who = account;
	x->status = account.len ? admit(x, who) : PRELOGIN_AUTH_UNAVAILABLE;
	if (x->status != PRELOGIN_AUTH_OK)
		return;
	if (buf_addstr(&x->account, account) || (!str_eq(who, account) && buf_addstr(&x->actor, who)))
		x->status = PRELOGIN_AUTH_UNAVAILABLE;
}

static void deny(struct auth_exchange *x)
{
	x->status = PRELOGIN_AUTH_DENIED;
	buf_adds(&x->data, "you may not act for that user");
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
	case SASL_NOAUTHZ:
		if (x->denied)
			deny(x);
		break;
	case SASL_BADBINDING:
		refuse(x, "wrong binding to the TLS connection");
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
	if (x->status == PRELOGIN_AUTH_FAILED && !x->hashed && !x->looked_up)
		(void)user_value_check(buf_str(&x->auth->nobody), STR("any"));
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
	if (x->status == PRELOGIN_AUTH_FAILED || x->status == PRELOGIN_AUTH_DENIED)
		buf_addstr(&x->account, buf_str(&x->tried));
	even_out(x);
	if (x->status != PRELOGIN_AUTH_CONTINUE) {
		x->finished = true;
		sasl_dispose(&x->conn);
	}
}
