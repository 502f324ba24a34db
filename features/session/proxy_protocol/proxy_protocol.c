/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include "core/lib/log.h"
#include "core/lib/network.h"
#include "core/lib/settings.h"
#include "core/server/preface.h"
#include "core/server/server.h"
#include "features/session/proxy_protocol/header.h"

#define SEPARATORS " \t,"

static char *from, *listen_at;

static bool is_ours(const char *listener)
{
	struct str rest = str_from(listen_at), word;

	while (str_word(&rest, SEPARATORS, &word)) {
		if (str_eq(word, str_from(listener)))
			return true;
	}
	return false;
}

/* A listener is the proxies' alone, or their word could be had by leaving the header out. */
static enum hook_result proxy_protocol_accept(const char *listener, const struct sockaddr_storage *peer)
{
	struct buf name = {0};

	if (!is_ours(listener))
		return HOOK_PASS;
	if (network_listed(from, peer))
		return HOOK_DONE;
	srv_address_add(&name, peer);
	log_warning("connection refused", "listener", listener, "peer", log_str(buf_str(&name)), "why",
		"not in proxy_protocol_from", NULL);
	buf_free(&name);
	return HOOK_FAIL;
}

static int proxy_protocol_preface(struct str in, struct preface *p, const char **why_r)
{
	struct proxy_protocol_header h;
	int used = proxy_protocol_parse(in, &h, why_r);

	p->has_peer = h.has_source;
	p->peer = h.source;
	p->secure = h.tls;
	return used;
}

/* ---- settings ---- */

static bool is_word_of(struct str word, const char *words)
{
	struct str rest = str_from(words), one;

	while (words && str_word(&rest, SEPARATORS, &one)) {
		if (str_eq(one, word))
			return true;
	}
	return false;
}

static void complain(const char *file, struct str word, const char *what, struct buf *errors)
{
	buf_addv(errors, file, ": ", NULL);
	buf_addstr(errors, word);
	buf_addv(errors, what, "\n", NULL);
}

static void proxy_protocol_check(const char *file, struct buf *errors)
{
	struct str rest = str_from(listen_at), word;
	struct sockaddr_storage a;
	unsigned len;

	network_check_setting(file, "proxy_protocol_from", from, errors);
	while (str_word(&rest, SEPARATORS, &word)) {
		/* Sockets of a supervisor have names that are no addresses. */
		if (srv_address_parse(word, &a, &len) == 0 && !is_word_of(word, srv_settings.imap_listen) &&
			!is_word_of(word, srv_settings.lmtp_listen))
			complain(file, word,
				" in proxy_protocol_listen is no word of imap_listen or lmtp_listen", errors);
	}
	if (*listen_at && !*from)
		buf_addv(errors, file, ": proxy_protocol_listen needs proxy_protocol_from\n", NULL);
}

static const struct setting settings[] = {
	{"proxy_protocol_listen", SETTING_STRING, "", 0, 0, &listen_at,
		"Words of imap_listen and lmtp_listen, or names of sockets that a supervisor opened, at "
		"which every connection begins with a header of the PROXY protocol.",
		"CONFIG_PROXY_PROTOCOL"},
	{"proxy_protocol_from", SETTING_STRING, "", 0, 0, &from,
		"Addresses and networks (192.0.2.7, 198.51.100.0/24, 2001:db8::/32, unix) of the proxies. "
		"Connections from others to the listeners of proxy_protocol_listen are closed.",
		"CONFIG_PROXY_PROTOCOL"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

const struct feature proxy_protocol_feature = {
	.name = "proxy_protocol",
	.settings = settings,
	.check_settings = proxy_protocol_check,
	.gate_accept = proxy_protocol_accept,
	.gate_preface = proxy_protocol_preface,
};
