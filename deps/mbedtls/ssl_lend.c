/* SPDX-License-Identifier: 0BSD */
#include "common.h"

#if defined(MBEDTLS_SSL_TLS_C)

#include "mbedtls/platform.h"
#include "mbedtls/ssl_lend.h"
#include "ssl_update.h"

size_t ssl_lend_in_size(void)
{
	return MBEDTLS_SSL_IN_BUFFER_LEN;
}

size_t ssl_lend_out_size(void)
{
	return MBEDTLS_SSL_OUT_BUFFER_LEN;
}

bool ssl_lend_idle(const mbedtls_ssl_context *ssl)
{
	return ssl->in_buf && ssl->state == MBEDTLS_SSL_HANDSHAKE_OVER && !ssl->handshake &&
		!ssl->in_offt && !ssl->in_left && !ssl->in_msglen && !ssl->in_hslen &&
		!ssl->badmac_seen_or_in_hsfraglen && !ssl->keep_current_message && !ssl->send_alert &&
		!ssl->out_left;
}

void ssl_lend_take(mbedtls_ssl_context *ssl, struct ssl_lend_kept *kept_r, unsigned char **in_r,
	unsigned char **out_r)
{
	memcpy(kept_r->in_counter, ssl->in_ctr, sizeof(kept_r->in_counter));
	mbedtls_platform_zeroize(ssl->in_buf, MBEDTLS_SSL_IN_BUFFER_LEN);
	mbedtls_platform_zeroize(ssl->out_buf, MBEDTLS_SSL_OUT_BUFFER_LEN);
	*in_r = ssl->in_buf;
	*out_r = ssl->out_buf;
	ssl->in_buf = ssl->in_ctr = ssl->in_hdr = ssl->in_len = ssl->in_iv = ssl->in_msg = NULL;
	ssl->out_buf = ssl->out_ctr = ssl->out_hdr = ssl->out_len = ssl->out_iv = ssl->out_msg = NULL;
}

void ssl_lend_give(mbedtls_ssl_context *ssl, const struct ssl_lend_kept *kept, unsigned char *in,
	unsigned char *out)
{
	ssl->in_buf = in;
	ssl->out_buf = out;
	mbedtls_ssl_reset_in_pointers(ssl);
	mbedtls_ssl_reset_out_pointers(ssl);
	mbedtls_ssl_update_out_pointers(ssl, ssl->transform_out);
	memcpy(ssl->in_ctr, kept->in_counter, sizeof(kept->in_counter));
}

#if defined(MBEDTLS_SSL_PROTO_TLS1_2)
/* Was made before the version was known. */
static void forget_transform(mbedtls_ssl_context *ssl)
{
	if (ssl->transform_negotiate)
		mbedtls_ssl_transform_free(ssl->transform_negotiate);
	mbedtls_free(ssl->transform_negotiate);
	ssl->transform_negotiate = NULL;
}
#else
static void forget_transform(mbedtls_ssl_context *ssl)
{
	(void)ssl;
}
#endif

/* Of TLS 1.3 the library keeps it for as long as the connection is there. */
static void forget_handshake(mbedtls_ssl_context *ssl)
{
	mbedtls_ssl_handshake_free(ssl);
	mbedtls_free(ssl->handshake);
	ssl->handshake = NULL;
	forget_transform(ssl);
}

int ssl_lend_handshake(mbedtls_ssl_context *ssl)
{
	int rc = 0;

	while (rc == 0 && ssl->state != MBEDTLS_SSL_HANDSHAKE_OVER) {
		if (ssl->state == MBEDTLS_SSL_TLS1_3_NEW_SESSION_TICKET && mbedtls_ssl_get_peer_cert(ssl))
			ssl_update_no_tickets(ssl);
		rc = mbedtls_ssl_handshake_step(ssl);
	}
	if (rc == 0 && ssl->handshake)
		forget_handshake(ssl);
	return rc;
}

int ssl_lend_read(mbedtls_ssl_context *ssl)
{
	int rc = ssl->in_offt ? 0 : mbedtls_ssl_read(ssl, NULL, 0);

	return rc < 0 ? rc : 0;
}

const unsigned char *ssl_lend_bytes(const mbedtls_ssl_context *ssl, size_t *n_r)
{
	*n_r = ssl->in_offt ? ssl->in_msglen : 0;
	return ssl->in_offt;
}

void ssl_lend_consume(mbedtls_ssl_context *ssl, size_t n)
{
	ssl->in_msglen -= n;
	ssl->in_offt = ssl->in_msglen ? ssl->in_offt + n : NULL;
	if (!ssl->in_msglen)
		ssl->keep_current_message = 0;
}

unsigned char *ssl_lend_room(mbedtls_ssl_context *ssl, size_t *n_r)
{
	int max = mbedtls_ssl_get_max_out_record_payload(ssl);

	if (ssl->out_left || max <= 0)
		return NULL;
	*n_r = (size_t)max;
	return ssl->out_msg;
}

int ssl_lend_write(mbedtls_ssl_context *ssl, size_t n)
{
	ssl->out_msglen = n;
	ssl->out_msgtype = MBEDTLS_SSL_MSG_APPLICATION_DATA;
	return mbedtls_ssl_write_record(ssl, 1);
}

int ssl_lend_flush(mbedtls_ssl_context *ssl)
{
	int rc = ssl->out_buf ? mbedtls_ssl_flush_output(ssl) : 0;

	return rc ? rc : ssl_update_answer(ssl);
}

#endif
