/* SPDX-License-Identifier: 0BSD */
#include "features/tls/tls/tls.h"

#include <string.h>

#include "core/hooks.h"
#include "core/imap/imap.h"
#include "core/lib/file.h"
#include "core/lib/prelogin.h"
#include "core/lib/settings.h"

struct tls_settings tls_settings;

static struct tls_context *present; /* in the gate */

int tls_random(void *unused, unsigned char *to, size_t n)
{
	(void)unused;
	file_random(to, n);
	return 0;
}

/* ---- the transport ---- */

static int use(struct str material)
{
	struct tls_context *fresh;

	if (ENABLE_TLS_V13 && tls_psa_setup())
		return -1;
	fresh = tls_context_new(material);
	if (!fresh)
		return -1;
	tls_context_unref(&present);
	present = fresh;
	return 0;
}

static void stop(void)
{
	tls_context_unref(&present);
	tls_conn_free_spare();
}

static bool required(void)
{
	return present && present->required;
}

static struct transport_conn *start(int fd, enum srv_service service, struct str before)
{
	return present ? tls_conn_new(present, fd, service, before) : NULL;
}

static const struct transport_listen listeners[] = {
	{SRV_IMAP, "imaps_listen", &tls_settings.imaps_listen},
	{SRV_LMTP, "lmtps_listen", &tls_settings.lmtps_listen},
	{0},
};

static const struct transport transport = {
	.listen = listeners,
	.load = tls_load,
	.use = use,
	.stop = stop,
	.required = required,
	.start = start,
	.free = tls_conn_free,
	.handshake = tls_conn_handshake,
	.info = tls_conn_info,
	.error = tls_conn_error,
	.read = tls_conn_read,
	.bytes = tls_conn_bytes,
	.consume = tls_conn_consume,
	.room = tls_conn_room,
	.write = tls_conn_write,
	.flush = tls_conn_flush,
	.shutdown = tls_conn_shutdown,
	.rest = tls_conn_rest,
};

/* ---- STARTTLS ---- */

/* RFC 9051 6.2.1 */
static enum hook_result imap_starttls(struct prelogin *p, struct str tag, struct str name, struct cursor args)
{
	if (!str_ieq(name, STR("STARTTLS")))
		return HOOK_PASS;
	if (!cursor_done(&args)) {
		imap_tagged(&p->out, tag, "BAD", NULL, "STARTTLS takes no arguments");
	} else if (!p->may_encrypt) {
		imap_tagged(&p->out, tag, "BAD", NULL, "The connection is encrypted already");
	} else {
		imap_tagged(&p->out, tag, "OK", NULL, "Begin TLS now");
		p->want = PRELOGIN_ENCRYPT;
	}
	return HOOK_DONE;
}

/* RFC 3207 4 */
static void lmtp_lhlo(struct prelogin *p, struct buf *out)
{
	if (p->may_encrypt)
		buf_adds(out, "250-STARTTLS\r\n");
}

static enum hook_result lmtp_starttls(struct prelogin *p, struct str verb, struct cursor c)
{
	if (!str_ieq(verb, STR("STARTTLS")))
		return HOOK_PASS;
	if (str_trim(cursor_take(&c, cursor_left(&c))).len) {
		buf_adds(&p->out, "501 5.5.4 STARTTLS takes no arguments\r\n");
	} else if (!p->may_encrypt) {
		buf_adds(&p->out, "503 5.5.1 The connection is encrypted already\r\n");
	} else {
		buf_adds(&p->out, "220 2.0.0 Begin TLS now\r\n");
		p->want = PRELOGIN_ENCRYPT;
	}
	return HOOK_DONE;
}

static const struct imap_capability capabilities[] = {
	{"STARTTLS", IMAP_MAY_ENCRYPT},
	{0},
};

/* ---- settings ---- */

static const struct setting settings[] = {
	{"imaps_listen", SETTING_STRING, "", 0, 0, &tls_settings.imaps_listen,
		"Where IMAP clients connect that speak TLS from the first byte, in the form of "
		"imap_listen; the usual port is 993. Empty: nowhere; clients may still say STARTTLS at "
		"the places of imap_listen.",
		"CONFIG_TLS"},
	{"lmtps_listen", SETTING_STRING, "", 0, 0, &tls_settings.lmtps_listen,
		"The same for LMTP, which has no usual port.", "CONFIG_TLS"},
	{"tls_cert", SETTING_STRING, "", 0, 0, &tls_settings.cert,
		"A PEM file with the server's certificate and then those that lead to its authority, each "
		"signed by the next; the root itself is not needed. Read again at SIGHUP, without an "
		"effect on connections that are there. Empty: a certificate that signs itself, which is "
		"made at the first start and kept in the spool as tls.pem.",
		"CONFIG_TLS"},
	{"tls_key", SETTING_STRING, "", 0, 0, &tls_settings.key,
		"A PEM file with the key of that certificate, without a passphrase. The master reads it, so "
		"only root need be able to. Empty: it is in the file of tls_cert.",
		"CONFIG_TLS"},
	{"tls_client_ca", SETTING_STRING, "", 0, 0, ENABLE_TLS_CLIENT_CERT ? &tls_settings.client_ca : NULL,
		"A PEM file with the authorities whose client certificates are believed. Clients are asked "
		"for one, and may go without; one that cannot be verified counts as none. Empty: no "
		"client is asked.",
		"CONFIG_TLS_CLIENT_CERT"},
	{"tls_required", SETTING_BOOL, "no", 0, 0, &tls_settings.required,
		"Whether clients on other machines must use TLS for all they do: to log in by any mechanism, "
		"and to deliver. It wins over `plaintext'. Clients on this machine may go without.",
		"CONFIG_TLS"},
	{0},
};

const struct feature tls_feature = {
	.name = "tls",
	.settings = settings,
	.transport = &transport,
	.imap_capabilities = capabilities,
	.imap_gate = imap_starttls,
	.lmtp_lhlo = lmtp_lhlo,
	.lmtp_gate = lmtp_starttls,
};

const char *tls_strerror(int rc)
{
	switch (rc) {
	case MBEDTLS_ERR_SSL_CONN_EOF:
		return "the client left";
	case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
		return "the client knows no version of TLS that is spoken here";
	case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
		return "the client knows no cipher, curve or signature that is used here";
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		return "the client refused (does it trust the certificate?)";
	case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
		return "the client speaks another protocol (ALPN)";
	case MBEDTLS_ERR_SSL_INVALID_RECORD:
	case MBEDTLS_ERR_SSL_DECODE_ERROR:
	case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE:
	case MBEDTLS_ERR_SSL_UNEXPECTED_RECORD:
	case MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER:
		return "what the client sent is not TLS";
	case MBEDTLS_ERR_SSL_INVALID_MAC:
		return "a record was damaged";
	case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
		return "the client's certificate is not of an authority in tls_client_ca, or expired";
	case MBEDTLS_ERR_SSL_TIMEOUT:
		return "the client sends much and says nothing";
	case MBEDTLS_ERR_SSL_ALLOC_FAILED:
		return "no memory";
	default:
		return "the handshake did not succeed";
	}
}
