/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include "core/lib/log.h"
#include "core/lib/network.h"
#include "core/lib/prelogin.h"
#include "core/lib/settings.h"
#include "core/lmtp/extend.h"
#include "core/lmtp/prelogin.h"
#include "features/lmtp/lmtp_xclient/attributes.h"

static char *from;

static void lmtp_xclient_lhlo(struct prelogin *p, struct buf *out)
{
	if (network_listed_text(from, p->peer))
		buf_adds(out, "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n");
}

static enum hook_result lmtp_xclient_gate(struct prelogin *p, struct str verb, struct cursor c)
{
	const char *wrong;

	if (!str_ieq(verb, STR("XCLIENT")))
		return HOOK_PASS;
	wrong = "550 5.7.0 XCLIENT is not taken from your address";
	if (network_listed_text(from, p->peer))
		wrong = lmtp_xclient_parse(c, &p->tag);
	if (wrong) {
		buf_clear(&p->tag);
		lmtp_prelogin_wrong(p, wrong);
		return HOOK_DONE;
	}
	log_debug("XCLIENT", "from", p->peer, "client", log_str(buf_str(&p->tag)), NULL);
	p->want = PRELOGIN_PEER;
	return HOOK_DONE;
}

/* The gate is done with it. */
static void lmtp_xclient_late(struct lmtp_session *s, struct cursor *args)
{
	(void)args;
	lmtp_reply(s, "503 5.5.1 XCLIENT comes before the first MAIL");
}

static const struct lmtp_command commands[] = {
	{"XCLIENT", lmtp_xclient_late},
	{NULL, NULL},
};

static void lmtp_xclient_check(const char *file, struct buf *errors)
{
	network_check_setting(file, "lmtp_xclient_from", from, errors);
}

static const struct setting settings[] = {
	{"lmtp_xclient_from", SETTING_STRING, "", 0, 0, &from,
		"Addresses and networks (192.0.2.7, 198.51.100.0/24, 2001:db8::/32, unix) of front ends that "
		"tell with XCLIENT where their clients come from. Empty: nobody is believed.",
		"CONFIG_LMTP_XCLIENT"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

const struct feature lmtp_xclient_feature = {
	.name = "lmtp_xclient",
	.settings = settings,
	.check_settings = lmtp_xclient_check,
	.lmtp_commands = commands,
	.lmtp_lhlo = lmtp_xclient_lhlo,
	.lmtp_gate = lmtp_xclient_gate,
};
