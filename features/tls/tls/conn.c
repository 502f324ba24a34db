/* SPDX-License-Identifier: 0BSD */
#include "features/tls/tls/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <mbedtls/platform_util.h>

#define SPARE_MAX     32 /* pairs of record buffers kept for whoever needs them next */
#define EXPORTER_SIZE 32 /* RFC 9266 2 */
/* Alerts and key updates cost their sender next to nothing. */
#define TURN_READS    32          /* of the socket, before others have their turn */
#define SILENT_MAX    (64 * 1024) /* bytes of a client that says nothing in them */

struct transport_conn {
	mbedtls_ssl_context ssl;
	struct tls_context *context;
	struct ssl_lend_kept kept;
	struct buf before; /* was read from the socket by somebody else */
	int fd, error;
	unsigned reads; /* in this turn */
	size_t silent;  /* bytes since the last that were said */
	bool awake; /* it has its record buffers */
	bool eof;
};

static struct {
	unsigned char *in[SPARE_MAX], *out[SPARE_MAX];
	unsigned n;
} spare;

/* ---- the socket ---- */

static int bio_send(void *arg, const unsigned char *bytes, size_t n)
{
	const struct transport_conn *t = arg;
	ssize_t rc = send(t->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (rc >= 0)
		return (int)rc;
	return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_CONN_EOF;
}

static int bio_recv(void *arg, unsigned char *to, size_t room)
{
	struct transport_conn *t = arg;
	ssize_t rc;

	if (t->before.len) {
		struct str s = buf_str(&t->before);

		s.len = s.len < room ? s.len : room;
		memcpy(to, s.p, s.len);
		buf_consume(&t->before, s.len);
		buf_trim(&t->before);
		return (int)s.len;
	}
	if (t->silent > SILENT_MAX)
		return MBEDTLS_ERR_SSL_TIMEOUT;
	if (t->reads == TURN_READS) /* epoll tells again of what waits in the socket */
		return MBEDTLS_ERR_SSL_WANT_READ;
	t->reads++;
	rc = recv(t->fd, to, room, MSG_DONTWAIT);
	if (rc > 0) {
		t->silent += (size_t)rc;
		return (int)rc;
	}
	if (rc < 0 && (errno == EAGAIN || errno == EINTR))
		return MBEDTLS_ERR_SSL_WANT_READ;
	t->eof = true;
	return 0;
}

/* ---- record buffers ---- */

/* 0 / -1 no memory */
static int wake(struct transport_conn *t)
{
	unsigned char *in, *out;

	if (t->awake)
		return 0;
	if (spare.n) {
		spare.n--;
		in = spare.in[spare.n];
		out = spare.out[spare.n];
	} else {
		in = calloc(1, ssl_lend_in_size());
		out = calloc(1, ssl_lend_out_size());
		if (!in || !out) {
			free(in);
			free(out);
			t->error = MBEDTLS_ERR_SSL_ALLOC_FAILED;
			return -1;
		}
	}
	ssl_lend_give(&t->ssl, &t->kept, in, out);
	t->awake = true;
	return 0;
}

void tls_conn_rest(struct transport_conn *t)
{
	unsigned char *in, *out;

	if (!t->awake || !ssl_lend_idle(&t->ssl))
		return;
	ssl_lend_take(&t->ssl, &t->kept, &in, &out);
	t->awake = false;
	if (spare.n == SPARE_MAX) {
		free(in);
		free(out);
		return;
	}
	spare.in[spare.n] = in;
	spare.out[spare.n] = out;
	spare.n++;
}

void tls_conn_free_spare(void)
{
	while (spare.n) {
		spare.n--;
		free(spare.in[spare.n]);
		free(spare.out[spare.n]);
	}
}

/* ---- life ---- */

struct transport_conn *tls_conn_new(struct tls_context *context, int fd, enum srv_service service,
	struct str before)
{
	struct transport_conn *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->fd = fd;
	t->context = tls_context_ref(context);
	mbedtls_ssl_init(&t->ssl);
	buf_addstr(&t->before, before);
	if (t->before.failed ||
		mbedtls_ssl_setup(&t->ssl, service == SRV_IMAP ? &context->imap : &context->lmtp)) {
		tls_conn_free(&t);
		return NULL;
	}
	t->awake = true;
	mbedtls_ssl_set_bio(&t->ssl, t, bio_send, bio_recv, NULL);
	return t;
}

void tls_conn_free(struct transport_conn **conn)
{
	struct transport_conn *t = *conn;

	*conn = NULL;
	if (!t)
		return;
	mbedtls_ssl_free(&t->ssl);
	buf_free(&t->before);
	tls_context_unref(&t->context);
	free(t);
}

static enum transport_result result(struct transport_conn *t, int rc)
{
	switch (rc) {
	case 0:
		return TRANSPORT_DONE;
	case MBEDTLS_ERR_SSL_WANT_READ:
		return TRANSPORT_READ;
	case MBEDTLS_ERR_SSL_WANT_WRITE:
		return TRANSPORT_WRITE;
	case MBEDTLS_ERR_SSL_CONN_EOF:
	case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
		return TRANSPORT_END;
	default:
		t->error = rc;
		return TRANSPORT_FAILED;
	}
}

const char *tls_conn_error(const struct transport_conn *t)
{
	return tls_strerror(t->error);
}

enum transport_result tls_conn_handshake(struct transport_conn *t)
{
	t->reads = 0;
	return result(t, ssl_lend_handshake(&t->ssl));
}

/* "TLSv1.3 TLS_AES_128_GCM_SHA256": the names of RFC 8446 and of IANA. */
static void add_version(const mbedtls_ssl_context *ssl, struct buf *out)
{
	static const char v13[] = "TLS1-3-";
	const char *suite = mbedtls_ssl_get_ciphersuite(ssl);

	buf_addv(out, mbedtls_ssl_get_version(ssl), " ", NULL);
	if (strncmp(suite, v13, sizeof(v13) - 1) == 0) {
		buf_adds(out, "TLS_");
		suite += sizeof(v13) - 1;
	}
	for (; *suite; suite++)
		buf_addc(out, *suite == '-' ? '_' : *suite);
}

int tls_conn_info(const struct transport_conn *t, struct transport_info *info_r)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	mbedtls_ssl_context *ssl = (mbedtls_ssl_context *)(uintptr_t)&t->ssl;
	unsigned char exporter[EXPORTER_SIZE];

	add_version(&t->ssl, &info_r->version);
	buf_add(&info_r->endpoint, t->context->endpoint, t->context->endpoint_size);
	/* Before TLS 1.3 it is safe with the extended master secret only (RFC 9266 2). */
	if (mbedtls_ssl_get_version_number(&t->ssl) == MBEDTLS_SSL_VERSION_TLS1_3 &&
		mbedtls_ssl_export_keying_material(ssl, exporter, sizeof(exporter), label,
			sizeof(label) - 1, (const unsigned char *)"", 0, 1) == 0)
		buf_add(&info_r->exporter, exporter, sizeof(exporter));
	mbedtls_platform_zeroize(exporter, sizeof(exporter));
	if (ENABLE_TLS_CLIENT_CERT)
		tls_client_cert_name(&t->ssl, &info_r->certificate);
	return info_r->version.failed || info_r->endpoint.failed || info_r->exporter.failed ||
			info_r->certificate.failed
		? -1
		: 0;
}

/* ---- bytes ---- */

struct str tls_conn_bytes(const struct transport_conn *t)
{
	size_t n;
	const unsigned char *p = ssl_lend_bytes(&t->ssl, &n);

	return (struct str){(const char *)p, n};
}

void tls_conn_consume(struct transport_conn *t, size_t n)
{
	if (n)
		ssl_lend_consume(&t->ssl, n);
}

enum transport_result tls_conn_read(struct transport_conn *t)
{
	int rc;

	if (tls_conn_bytes(t).len)
		return TRANSPORT_DONE;
	if (wake(t))
		return TRANSPORT_FAILED;
	t->reads = 0;
	rc = ssl_lend_read(&t->ssl);
	if (rc)
		return result(t, rc);
	if (tls_conn_bytes(t).len) {
		t->silent = 0;
		return TRANSPORT_DONE;
	}
	return t->eof ? TRANSPORT_END : TRANSPORT_READ; /* an empty record */
}

char *tls_conn_room(struct transport_conn *t, size_t *n_r)
{
	return wake(t) ? NULL : (char *)ssl_lend_room(&t->ssl, n_r);
}

enum transport_result tls_conn_write(struct transport_conn *t, size_t n)
{
	return result(t, ssl_lend_write(&t->ssl, n));
}

enum transport_result tls_conn_flush(struct transport_conn *t)
{
	return t->awake ? result(t, ssl_lend_flush(&t->ssl)) : TRANSPORT_DONE;
}

enum transport_result tls_conn_shutdown(struct transport_conn *t)
{
	return wake(t) ? TRANSPORT_FAILED : result(t, mbedtls_ssl_close_notify(&t->ssl));
}
