/* SPDX-License-Identifier: 0BSD */
#include "features/tls/tls/tls.h"

#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/platform_util.h>

#include "core/lib/file.h"

#define PEM_MAX    4096
#define COMMON_MAX 64 /* RFC 5280 A.1, ub-common-name */

/* Of a machine whose clock is wrong at its first start, too. */
#define NOT_BEFORE "20200101000000"
#define NOT_AFTER  "20491231235959"

static bool is_host_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= COMMON_MAX &&
		strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == n;
}

static int describe(mbedtls_x509write_cert *w, mbedtls_pk_context *key, const char *host)
{
	mbedtls_x509_san_list san = {
		.node = {.type = MBEDTLS_X509_SAN_DNS_NAME,
			.san.unstructured_name = {.p = (unsigned char *)(uintptr_t)host, .len = strlen(host)}}};
	unsigned char serial[16];
	struct buf name = {0};
	int rc = -1;

	file_random(serial, sizeof(serial));
	serial[0] = (serial[0] & 0x7f) | 1; /* RFC 5280 4.1.2.2: positive, of one form */
	buf_addv(&name, "CN=", host, NULL);
	buf_addc(&name, '\0');
	mbedtls_x509write_crt_set_version(w, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(w, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(w, key);
	mbedtls_x509write_crt_set_issuer_key(w, key);
	if (!name.failed && mbedtls_x509write_crt_set_subject_name(w, name.data) == 0 &&
		mbedtls_x509write_crt_set_issuer_name(w, name.data) == 0 &&
		mbedtls_x509write_crt_set_serial_raw(w, serial, sizeof(serial)) == 0 &&
		mbedtls_x509write_crt_set_validity(w, NOT_BEFORE, NOT_AFTER) == 0 &&
		mbedtls_x509write_crt_set_basic_constraints(w, 0, -1) == 0 &&
		mbedtls_x509write_crt_set_key_usage(w, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) == 0 &&
		mbedtls_x509write_crt_set_subject_alternative_name(w, &san) == 0)
		rc = 0;
	buf_free(&name);
	return rc;
}

int tls_self_signed_make(const char *hostname, struct buf *pem)
{
	unsigned char text[PEM_MAX];
	mbedtls_x509write_cert w;
	mbedtls_pk_context key;
	int rc = -1;

	mbedtls_x509write_crt_init(&w);
	mbedtls_pk_init(&key);
	if (mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) ||
		mbedtls_ecp_gen_key(
			MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key), tls_random, NULL) ||
		describe(&w, &key, is_host_name(hostname) ? hostname : "localhost"))
		goto free_key;
	if (mbedtls_x509write_crt_pem(&w, text, sizeof(text), tls_random, NULL))
		goto free_key;
	buf_adds(pem, (const char *)text);
	if (mbedtls_pk_write_key_pem(&key, text, sizeof(text)))
		goto free_key;
	buf_adds(pem, (const char *)text);
	rc = pem->failed ? -1 : 0;
free_key:
	mbedtls_platform_zeroize(text, sizeof(text));
	mbedtls_x509write_crt_free(&w);
	mbedtls_pk_free(&key);
	return rc;
}
