/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <sys/syscall.h>

#include "core/imap/extend.h"
#include "core/imap/search.h"
#include "core/lib/file.h"
#include "core/lib/settings.h"
#include "core/lmtp/delivery.h"
#include "core/lmtp/extend.h"
#include "core/server/confine.h"

/* Every member of struct feature, each doing nothing. */

/* Memory of ours in each session: zeroed when the session begins, gone when it ends. */
struct example_slot {
	unsigned states;
};

/* How often the places were reached; `satchel example` prints it. */
static uint64_t reached;
/* The value of `example_text` in satchel.conf. */
static char *text;

const struct feature example_feature;

/* ---- IMAP ---- */

/* A command ends with exactly one imap_reply(), now or later. */
static void example_command(struct imap_session *s, struct imap_cmd *c)
{
	reached++;
	if (!cursor_done(&c->args)) {
		imap_bad(s, c, "XEXAMPLE takes no argument");
		return;
	}
	imap_untagged(s, "XEXAMPLE nothing done");
	imap_reply(s, c, IMAP_OK, NULL, "Done nothing");
}

static const struct imap_command commands[] = {
	{"XEXAMPLE", IMAP_LOGGED_IN, 0, example_command},
	{NULL, 0, 0, NULL},
};

/* Announced in the states in which it may be used, and in no other. */
static const struct imap_capability capabilities[] = {
	{"XEXAMPLE", IMAP_LOGGED_IN},
	{NULL, 0},
};

/* ---- words in commands of core ---- */

/* FETCH 1 (XEXAMPLE), and FETCH 1 (FLAGS) (XEXAMPLE), which implies it. */
static void example_add_item(struct buf *out, const struct message *m)
{
	(void)m;
	buf_adds(out, "XEXAMPLE NIL");
}

static const struct imap_fetch_word fetch_words[] = {
	{.name = "XEXAMPLE", .add = example_add_item},
	{0},
};

/* A value would be taken from c->args. */
static const char *example_modifier(struct imap_session *s, struct imap_cmd *c)
{
	(void)s;
	(void)c;
	reached++;
	return NULL;
}

static const struct imap_modifier modifiers[] = {
	{"XEXAMPLE", IMAP_AT_SELECT | IMAP_AT_FETCH | IMAP_AT_STORE, 0, "XEXAMPLE", example_modifier},
	{NULL, 0, 0, NULL, NULL},
};

/* STATUS INBOX (XEXAMPLE) */
static void example_status(struct buf *out, const struct mailbox *m)
{
	(void)m;
	buf_addu(out, 0);
}

static const struct imap_status_item status_items[] = {
	{"XEXAMPLE", 0, example_status},
	{NULL, 0, NULL},
};

/* SEARCH XEXAMPLE: matches nothing. */
static const char *example_search(struct search_parse *p, struct cursor *c, struct search_key *k)
{
	(void)p;
	(void)c;
	(void)k;
	return NULL;
}

static bool example_match(const struct search_key *k, const struct message *m)
{
	(void)k;
	(void)m;
	return false;
}

static const struct imap_search_word search_words[] = {
	{"XEXAMPLE", 0, example_search, example_match, NULL},
	{NULL, 0, NULL, NULL, NULL},
};

/* ENABLE XEXAMPLE would turn on bits of enum imap_enabled; there are none of ours. */
static const struct imap_enable enables[] = {
	{"XEXAMPLE", 0},
	{NULL, 0},
};

static void example_enabled(struct imap_session *s, unsigned fresh)
{
	(void)s;
	(void)fresh;
	reached++;
}

static void example_progress(struct imap_session *s, const struct imap_cmd *c, uint32_t done, uint32_t total)
{
	(void)s;
	(void)c;
	(void)done;
	(void)total;
	reached++;
}

static void example_opened(struct imap_session *s)
{
	(void)s;
	reached++;
}

static void example_created(struct imap_session *s, const struct mailbox *m, struct buf *code)
{
	(void)s;
	(void)m;
	(void)code;
	reached++;
}

static enum hook_result example_selected(struct imap_session *s, struct imap_cmd *c)
{
	(void)s;
	(void)c;
	reached++;
	return HOOK_PASS;
}

static const char *example_fetch(struct imap_session *s, struct imap_cmd *c, const struct imap_pick *pick)
{
	(void)s;
	(void)c;
	(void)pick;
	reached++;
	return NULL;
}

static void example_told(struct imap_session *s, struct buf *out, const struct message *m)
{
	(void)s;
	(void)out;
	(void)m;
	reached++;
}

static enum hook_result example_expunges(struct imap_session *s, bool allowed)
{
	(void)s;
	(void)allowed;
	reached++;
	return HOOK_PASS;
}

static void example_removed(struct imap_session *s, struct buf *code)
{
	(void)s;
	(void)code;
	reached++;
}

static enum hook_result example_pending(struct imap_session *s)
{
	(void)s;
	reached++;
	return HOOK_PASS;
}

/* ---- LMTP ---- */

/* In the answer to LHLO, before and after the first MAIL. */
static const char *const lmtp_words[] = {"XEXAMPLE", NULL};

/* After the first MAIL of a connection. */
static void example_lmtp(struct lmtp_session *s, struct cursor *args)
{
	(void)args;
	reached++;
	lmtp_reply(s, "250 2.0.0 Done nothing");
}

static const struct lmtp_command lmtp_commands[] = {
	{"XEXAMPLE", example_lmtp},
	{NULL, NULL},
};

/* MAIL FROM:<a@b> XEXAMPLE=value, and the same with RCPT. */
static const char *example_param(struct lmtp_session *s, struct lmtp_rcpt *r, struct str value)
{
	(void)s;
	(void)r;
	(void)value;
	reached++;
	return NULL;
}

/* All domains may be ours. */
static bool example_domain(struct mail *m, struct str domain)
{
	(void)m;
	(void)domain;
	reached++;
	return true;
}

/* 0: stands for nobody; see features/delivery/alias/. */
static int example_alias(struct mail *m, struct str name, struct buf *target)
{
	(void)m;
	(void)name;
	(void)target;
	reached++;
	return 0;
}

/* NULL: the recipient is welcome. */
static const char *example_rcpt(struct lmtp_session *s, const struct lmtp_rcpt *r)
{
	(void)s;
	(void)r;
	reached++;
	return NULL;
}

static const struct lmtp_param lmtp_params[] = {
	{"XEXAMPLE", LMTP_AT_MAIL | LMTP_AT_RCPT, example_param},
	{NULL, 0, NULL},
};

/* ---- settings, command line, control ---- */

static const struct setting settings[] = {
	{"example_text", SETTING_STRING, "nothing", 0, 0, &text, "What the example feature says it does.",
		"CONFIG_EXAMPLE"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

/* Runs in a process of its own, without the server. */
static int example_cli(const char *data, int argc, char **argv)
{
	(void)data;
	(void)argc;
	(void)argv;
	return file_write_all(1, STR("This is an example.\n")) ? 1 : 0;
}

static const struct cli_command cli[] = {
	{"example-cli", "", "says that it is an example", example_cli},
	{NULL, NULL, NULL, NULL},
};

/* Runs in mail, asked for over control.sock: `satchel example`. */
static int example_control(struct mail *m, struct str args, struct buf *out)
{
	(void)m;
	(void)args;
	buf_addv(out, "does ", text, ", reached ", NULL);
	buf_addu(out, reached);
	buf_adds(out, " times\n");
	return 0;
}

static const struct control_command control[] = {
	{"example", example_control, "", "how often the example was reached"},
	{0},
};

/* Every text will do; see features/session/proxy_protocol/ for one that is particular. */
static void example_check_settings(const char *file, struct buf *errors)
{
	(void)file;
	(void)errors;
}

/* ---- the gate ---- */

static enum hook_result example_accept(const char *listener, const struct sockaddr_storage *peer)
{
	(void)listener;
	(void)peer;
	return HOOK_PASS;
}

/* Never called, because example_accept() never says HOOK_DONE. */
static int example_preface(struct str in, struct preface *p, const char **why_r)
{
	(void)in;
	(void)p;
	*why_r = "nothing was expected";
	return -1;
}

/* ---- the sandbox ---- */

/* System calls that nobody else makes: what is not listed by anybody fails. */
static const struct confine_call calls[] = {
	{CONFINE_MAIL, CONFINE_ANY, 0, SYS_getppid, 0},
	{0, 0, 0, 0, 0},
};

/* NULL: nothing is missing here. */
static const char *example_confine(const struct confine *c)
{
	(void)c;
	return NULL;
}

/* ---- the life of the mail role ---- */

/* Still as root, if the server was started so: the place to open what lies outside the spool. */
static int example_prepare(const char *data)
{
	(void)data;
	return 0;
}

/* The store is open, there are no sessions yet. */
static int example_start(struct mail *m)
{
	(void)m;
	return 0;
}

static void example_stop(struct mail *m)
{
	(void)m;
}

/* About once a minute. */
static void example_tick(struct mail *m)
{
	(void)m;
	reached++;
}

static void example_metrics(struct mail *m, struct buf *out)
{
	(void)m;
	buf_adds(out, "example_reached ");
	buf_addu(out, reached);
	buf_addc(out, '\n');
}

/* ---- sessions ---- */

static void example_login(struct session *s)
{
	(void)s;
	reached++;
}

static void example_select(struct session *s)
{
	(void)s;
	reached++;
}

static void example_state(struct session *s)
{
	struct example_slot *slot = feature_slot(s, &example_feature);

	slot->states++;
	reached++;
}

static void example_logout(struct session *s)
{
	(void)s;
	reached++;
}

/* ---- delivery ---- */

/* Another d->mailbox would be chosen here. */
static enum hook_result example_route(struct delivery *d)
{
	(void)d;
	reached++;
	return HOOK_PASS;
}

/* HOOK_DONE with d->lsn and d->note set would accept the message without storing it. */
static enum hook_result example_check(struct delivery *d)
{
	(void)d;
	reached++;
	return HOOK_PASS;
}

/* What is stored here becomes durable together with the message. */
static void example_done(struct delivery *d)
{
	(void)d;
	reached++;
}

const struct feature example_feature = {
	.name = "example",
	.imap_commands = commands,
	.imap_capabilities = capabilities,
	.imap_enables = enables,
	.imap_modifiers = modifiers,
	.imap_status_items = status_items,
	.imap_fetch_words = fetch_words,
	.imap_search_words = search_words,
	.lmtp_words = lmtp_words,
	.lmtp_commands = lmtp_commands,
	.lmtp_params = lmtp_params,
	.sasl_mechs = NULL, /* see features/auth/sasl_plain/ */
	.settings = settings,
	.check_settings = example_check_settings,
	.gate_accept = example_accept,
	.gate_preface = example_preface,
	.cli = cli,
	.control = control,
	.calls = calls,
	.confine_files = example_confine, /* see features/sandbox/landlock/ */
	.confine_calls = example_confine,
	.session_size = sizeof(struct example_slot),
	.kv_space = 0, /* see features/delivery/dedup/ */
	.mail_prepare = example_prepare,
	.mail_start = example_start,
	.mail_stop = example_stop,
	.tick = example_tick,
	.metrics = example_metrics,
	.on_login = example_login,
	.on_select = example_select,
	.on_state = example_state,
	.on_logout = example_logout,
	.lmtp_domain = example_domain,
	.lmtp_alias = example_alias,
	.lmtp_rcpt = example_rcpt,
	.deliver_route = example_route,
	.deliver_check = example_check,
	.deliver_done = example_done,
	.imap_pending = example_pending,
	.imap_enabled = example_enabled,
	.imap_opened = example_opened,
	.imap_created = example_created,
	.imap_selected = example_selected,
	.imap_fetch = example_fetch,
	.imap_progress = example_progress,
	.imap_told = example_told,
	.imap_expunges = example_expunges,
	.imap_removed = example_removed,
};
