/* SPDX-License-Identifier: 0BSD */
#include "features/tls/tls/tls.h"

#include <string.h>

#include <mbedtls/oid.h>

#define NAME_MAX_BYTES 255

int tls_client_cert_setup(struct tls_context *c, struct str pem)
{
	int rc = mbedtls_x509_crt_parse(&c->client_ca, (const unsigned char *)pem.p, pem.len);

	if (rc)
		return rc > 0 ? MBEDTLS_ERR_X509_INVALID_FORMAT : rc;
	mbedtls_ssl_conf_ca_chain(&c->imap, &c->client_ca, NULL);
	mbedtls_ssl_conf_ca_chain(&c->lmtp, &c->client_ca, NULL);
	/* Who shows none, or one that is not believed, may log in otherwise. */
	mbedtls_ssl_conf_authmode(&c->imap, MBEDTLS_SSL_VERIFY_OPTIONAL);
	mbedtls_ssl_conf_authmode(&c->lmtp, MBEDTLS_SSL_VERIFY_OPTIONAL);
	return 0;
}

/* A name that can be that of an account: printable, whole, not too long. */
static bool is_name(const mbedtls_x509_buf *b)
{
	if (b->len == 0 || b->len > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < b->len; i++) {
		if (b->p[i] <= ' ' || b->p[i] == 0x7f)
			return false;
	}
	return true;
}

static const mbedtls_x509_buf *subject_part(const mbedtls_x509_crt *cert, const char *oid, size_t len)
{
	for (const mbedtls_x509_name *n = &cert->subject; n; n = n->next) {
		if (n->oid.len == len && memcmp(n->oid.p, oid, len) == 0 && is_name(&n->val))
			return &n->val;
	}
	return NULL;
}

/* The first address among the alternative names (RFC 5280 4.2.1.6). */
static const mbedtls_x509_buf *alternative(const mbedtls_x509_crt *cert)
{
	for (const mbedtls_x509_sequence *s = &cert->subject_alt_names; s; s = s->next) {
		if ((s->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == MBEDTLS_X509_SAN_RFC822_NAME &&
			is_name(&s->buf))
			return &s->buf;
	}
	return NULL;
}

int tls_client_cert_read(const mbedtls_x509_crt *cert, struct buf *out)
{
	const mbedtls_x509_buf *name = alternative(cert);

	if (!name)
		name = subject_part(cert, MBEDTLS_OID_PKCS9_EMAIL, MBEDTLS_OID_SIZE(MBEDTLS_OID_PKCS9_EMAIL));
	if (!name)
		name = subject_part(cert, MBEDTLS_OID_AT_CN, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_CN));
	return name ? buf_add(out, name->p, name->len) : 0;
}

int tls_client_cert_name(const mbedtls_ssl_context *ssl, struct buf *out)
{
	const mbedtls_x509_crt *cert = mbedtls_ssl_get_peer_cert(ssl);

	if (!cert || mbedtls_ssl_get_verify_result(ssl))
		return 0;
	return tls_client_cert_read(cert, out);
}
