/* SPDX-License-Identifier: 0BSD */
#include "features/tls/tls/tls.h"

#include <stdlib.h>
#include <string.h>

#include <mbedtls/md.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ssl_ciphersuites.h>

#include "core/lib/log.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#define HWCAP_AES_BIT (1 << 3) /* asm/hwcap.h */
#endif

#define AES                                                                                        \
	MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384,                      \
		MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,                                   \
		MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,                                     \
		MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,                                   \
		MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
#define CHACHA                                                                                     \
	MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,                                                   \
		MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,                             \
		MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256

static const int aes_first[] = {AES, CHACHA, 0};
static const int chacha_first[] = {CHACHA, AES, 0};

static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
	MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_NONE};

/* No SHA-1, which RFC 9155 forbids. */
static const uint16_t signatures[] = {MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256,
	MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384, MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
	MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384, MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,
	MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256, MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,
	MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512, MBEDTLS_TLS1_3_SIG_NONE};

#if defined(__x86_64__)
static bool has_aes(void)
{
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
}
#elif defined(__aarch64__)
static bool has_aes(void)
{
	return getauxval(AT_HWCAP) & HWCAP_AES_BIT;
}
#else
static bool has_aes(void)
{
	return false;
}
#endif

static int configure(struct tls_context *c, mbedtls_ssl_config *conf)
{
	int rc = mbedtls_ssl_config_defaults(conf, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
		MBEDTLS_SSL_PRESET_DEFAULT);

	if (rc)
		return rc;
	mbedtls_ssl_conf_rng(conf, tls_random, NULL);
	mbedtls_ssl_conf_ciphersuites(conf, has_aes() ? aes_first : chacha_first);
	mbedtls_ssl_conf_groups(conf, groups);
	mbedtls_ssl_conf_sig_algs(conf, signatures);
	mbedtls_ssl_conf_min_tls_version(
		conf, ENABLE_TLS_V12 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_max_tls_version(
		conf, ENABLE_TLS_V13 ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2);
	return mbedtls_ssl_conf_own_cert(conf, &c->cert, &c->key);
}

/* RFC 5929 4.1: the hash of the certificate's own signature, but none weaker than SHA-256. */
static int hash_certificate(struct tls_context *c)
{
	mbedtls_md_type_t type = c->cert.MBEDTLS_PRIVATE(sig_md);
	const mbedtls_md_info_t *md = mbedtls_md_info_from_type(
		type == MBEDTLS_MD_SHA384 || type == MBEDTLS_MD_SHA512 ? type : MBEDTLS_MD_SHA256);

	c->endpoint_size = mbedtls_md_get_size(md);
	return mbedtls_md(md, c->cert.raw.p, c->cert.raw.len, c->endpoint);
}

static int fill(struct tls_context *c, struct str material)
{
	struct cursor m = cursor_from(material);
	uint8_t required = cursor_u8(&m);
	struct str cert = cursor_str(&m, TLS_MATERIAL_MAX), key = cursor_str(&m, TLS_MATERIAL_MAX),
		   ca = cursor_str(&m, TLS_MATERIAL_MAX);
	int rc = MBEDTLS_ERR_SSL_BAD_INPUT_DATA;

	if (m.failed || !cursor_done(&m) || required > 1)
		return rc;
	c->required = required;
	rc = mbedtls_x509_crt_parse(&c->cert, (const unsigned char *)cert.p, cert.len);
	if (rc == 0)
		rc = mbedtls_pk_parse_key(
			&c->key, (const unsigned char *)key.p, key.len, NULL, 0, tls_random, NULL);
	if (rc == 0)
		rc = configure(c, &c->imap);
	if (rc == 0)
		rc = configure(c, &c->lmtp);
	if (rc == 0)
		rc = hash_certificate(c);
	if (rc == 0 && ENABLE_TLS_ALPN)
		rc = tls_alpn_setup(&c->imap);
	if (rc == 0 && ENABLE_TLS_TICKETS)
		rc = tls_tickets_setup(c);
	if (rc == 0 && ENABLE_TLS_CLIENT_CERT && ca.len > 1)
		rc = tls_client_cert_setup(c, ca);
	return rc;
}

struct tls_context *tls_context_new(struct str material)
{
	struct tls_context *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return NULL;
	c->uses = 1;
	mbedtls_ssl_config_init(&c->imap);
	mbedtls_ssl_config_init(&c->lmtp);
	mbedtls_x509_crt_init(&c->cert);
	mbedtls_x509_crt_init(&c->client_ca);
	mbedtls_pk_init(&c->key);
	rc = fill(c, material);
	if (rc == 0)
		return c;
	log_error("certificate and key cannot be used", "error", log_num(rc), NULL);
	tls_context_unref(&c);
	return NULL;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
	c->uses++;
	return c;
}

void tls_context_unref(struct tls_context **context)
{
	struct tls_context *c = *context;

	*context = NULL;
	if (!c || --c->uses)
		return;
	mbedtls_ssl_config_free(&c->imap);
	mbedtls_ssl_config_free(&c->lmtp);
	if (ENABLE_TLS_TICKETS)
		tls_tickets_free(c);
	mbedtls_x509_crt_free(&c->cert);
	mbedtls_x509_crt_free(&c->client_ca);
	mbedtls_pk_free(&c->key);
	mbedtls_platform_zeroize(c, sizeof(*c));
	free(c);
}
