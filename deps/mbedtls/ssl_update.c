/* SPDX-License-Identifier: 0BSD */
#include "common.h"

#if defined(MBEDTLS_SSL_TLS_C)

#include "ssl_update.h"

#if defined(MBEDTLS_SSL_PROTO_TLS1_3)

#include "mbedtls/platform.h"
#include "md_psa.h"
#include "ssl_tls13_keys.h"

#define KEY_UPDATE 24
#define BODY       5 /* type, three bytes of length, request_update */

/* application_traffic_secret_N+1, RFC 8446 7.2 */
static int next_secret(psa_algorithm_t hash, unsigned char *secret)
{
	static const unsigned char label[] = "traffic upd";
	unsigned char fresh[MBEDTLS_TLS1_3_MD_MAX_SIZE];
	size_t n = PSA_HASH_LENGTH(hash);
	int rc = mbedtls_ssl_tls13_hkdf_expand_label(
		hash, secret, n, label, sizeof(label) - 1, NULL, 0, fresh, n);

	if (rc == 0)
		memcpy(secret, fresh, n);
	mbedtls_platform_zeroize(fresh, sizeof(fresh));
	return rc;
}

/* Keys for both directions from the present secrets: of the direction whose secret did not change
 * they are what they were. */
static int renew_transform(mbedtls_ssl_context *ssl, const mbedtls_ssl_ciphersuite_t *suite,
	psa_algorithm_t hash)
{
	const mbedtls_ssl_tls13_application_secrets *s = &ssl->session->app_secrets;
	mbedtls_ssl_transform *t = mbedtls_calloc(1, sizeof(*t));
	mbedtls_ssl_key_set keys;
	psa_algorithm_t alg;
	psa_key_type_t type;
	size_t bits = 0;
	int rc = MBEDTLS_ERR_SSL_ALLOC_FAILED;

	if (!t)
		return rc;
	rc = MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	if (mbedtls_ssl_cipher_to_psa((mbedtls_cipher_type_t)suite->cipher, 16, &alg, &type, &bits) ==
		PSA_SUCCESS)
		rc = mbedtls_ssl_tls13_make_traffic_keys(hash, s->client_application_traffic_secret_N,
			s->server_application_traffic_secret_N, PSA_HASH_LENGTH(hash),
			PSA_BITS_TO_BYTES(bits), 12, &keys);
	if (rc == 0)
		rc = mbedtls_ssl_tls13_populate_transform(t, ssl->conf->endpoint, suite->id, &keys, ssl);
	mbedtls_platform_zeroize(&keys, sizeof(keys));
	if (rc) {
		mbedtls_ssl_transform_free(t);
		mbedtls_free(t);
		return rc;
	}
	mbedtls_ssl_transform_free(ssl->transform_application);
	mbedtls_free(ssl->transform_application);
	ssl->transform_application = ssl->transform_in = ssl->transform_out = t;
	return 0;
}

static int update(mbedtls_ssl_context *ssl, unsigned char *secret)
{
	const mbedtls_ssl_ciphersuite_t *suite =
		mbedtls_ssl_ciphersuite_from_id(ssl->session->ciphersuite);
	psa_algorithm_t hash;
	int rc;

	if (!suite)
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	hash = mbedtls_md_psa_alg_from_type((mbedtls_md_type_t)suite->mac);
	rc = next_secret(hash, secret);
	return rc ? rc : renew_transform(ssl, suite, hash);
}

int ssl_update_take(mbedtls_ssl_context *ssl)
{
	int rc;

	/* RFC 8446 5.1: it ends its record, as the next has other keys. */
	if (ssl->in_hslen != BODY || ssl->in_msglen != BODY || ssl->in_msg[4] > 1) {
		MBEDTLS_SSL_PEND_FATAL_ALERT(
			MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE, MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE);
		return MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE;
	}
	if (ssl->in_msg[4])
		ssl->satchel_update_due = 1; /* one answer for all that come before it leaves */
	rc = update(ssl, ssl->session->app_secrets.client_application_traffic_secret_N);
	if (rc)
		return rc;
	memset(ssl->in_ctr, 0, MBEDTLS_SSL_SEQUENCE_NUMBER_LEN);
	return ssl->out_left ? 0 : ssl_update_answer(ssl);
}

int ssl_update_answer(mbedtls_ssl_context *ssl)
{
	static const unsigned char message[BODY] = {KEY_UPDATE, 0, 0, 1, 0};
	int rc, written;

	if (!ssl->satchel_update_due)
		return 0;
	ssl->satchel_update_due = 0;
	memcpy(ssl->out_msg, message, sizeof(message));
	ssl->out_msgtype = MBEDTLS_SSL_MSG_HANDSHAKE;
	ssl->out_msglen = sizeof(message);
	written = mbedtls_ssl_write_record(ssl, 1);
	if (written && written != MBEDTLS_ERR_SSL_WANT_WRITE)
		return written;
	rc = update(ssl, ssl->session->app_secrets.server_application_traffic_secret_N);
	memset(ssl->cur_out_ctr, 0, sizeof(ssl->cur_out_ctr));
	return rc ? rc : written;
}

void ssl_update_no_tickets(mbedtls_ssl_context *ssl)
{
#if defined(MBEDTLS_SSL_SESSION_TICKETS)
	if (ssl->handshake)
		ssl->handshake->new_session_tickets_count = 0;
#else
	(void)ssl;
#endif
}

#else

int ssl_update_answer(mbedtls_ssl_context *ssl)
{
	(void)ssl;
	return 0;
}

void ssl_update_no_tickets(mbedtls_ssl_context *ssl)
{
	(void)ssl;
}

#endif
#endif
