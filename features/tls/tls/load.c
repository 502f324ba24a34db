/* SPDX-License-Identifier: 0BSD */
/* Certificates and keys as the admin gave them: read, and looked at before anybody uses them. */
#include "features/tls/tls/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <mbedtls/pem.h>
#include <mbedtls/rsa.h>

#include "core/lib/file.h"
#include "core/lib/log.h"
#include "core/server/server.h"

#define OWN_FILE     "tls.pem" /* in the spool */
#define RSA_BITS_MIN 2048
#define CHAIN_ROOM   200 /* of a record, for what stands around the certificates */

static int complain(struct buf *errors, const char *file, const char *what)
{
	buf_addv(errors, file, ": ", what, "\n", NULL);
	return -1;
}

/* ---- what a file holds ---- */

static const char *key_error(int rc)
{
	switch (rc) {
	case MBEDTLS_ERR_PK_PASSWORD_REQUIRED:
	case MBEDTLS_ERR_PK_PASSWORD_MISMATCH:
		return "the key has a passphrase; write it without one: openssl pkey -in FILE -out NEW";
	case MBEDTLS_ERR_PEM_NO_HEADER_FOOTER_PRESENT:
	case MBEDTLS_ERR_PK_KEY_INVALID_FORMAT:
		return "holds no key in PEM form (BEGIN PRIVATE KEY)";
	default:
		return "holds a key of a kind that is not supported; make an ECDSA key on P-256 or P-384, or "
		       "an RSA key, as far as they are compiled in";
	}
}

static int check_key(mbedtls_pk_context *key, struct str pem, const char *file, struct buf *errors)
{
	int rc = mbedtls_pk_parse_key(
		key, (const unsigned char *)pem.p, pem.len, NULL, 0, tls_random, NULL);

	if (rc)
		return complain(errors, file, key_error(rc));
	if (mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA && mbedtls_pk_get_bitlen(key) < RSA_BITS_MIN)
		return complain(errors, file, "an RSA key needs 2048 bits at least");
	return 0;
}

static void add_date(struct buf *out, const mbedtls_x509_time *t)
{
	buf_addpad(out, (uint64_t)t->year, 4);
	buf_addc(out, '-');
	buf_addpad(out, (uint64_t)t->mon, 2);
	buf_addc(out, '-');
	buf_addpad(out, (uint64_t)t->day, 2);
}

/* A server with an old certificate is better than none, and the clock may be what is wrong. */
static void warn_of_dates(const mbedtls_x509_crt *cert, const char *file)
{
	bool past = mbedtls_x509_time_is_past(&cert->valid_to),
	     future = mbedtls_x509_time_is_future(&cert->valid_from);
	struct buf date = {0};

	if (!past && !future)
		return;
	add_date(&date, past ? &cert->valid_to : &cert->valid_from);
	log_warning(past ? "the certificate has expired; renew it, then send SIGHUP"
			 : "the certificate is not valid yet; is the clock right?",
		"file", file, past ? "expired" : "valid_from", log_str(buf_str(&date)), NULL);
	buf_free(&date);
}

static bool signed_by(const mbedtls_x509_crt *cert, const mbedtls_x509_crt *by)
{
	return cert->issuer_raw.len == by->subject_raw.len &&
		memcmp(cert->issuer_raw.p, by->subject_raw.p, by->subject_raw.len) == 0;
}

static int check_order(const mbedtls_x509_crt *cert, const char *file, struct buf *errors)
{
	size_t size = 0, limit = MBEDTLS_SSL_OUT_CONTENT_LEN - CHAIN_ROOM;
	unsigned n = 1;

	for (const mbedtls_x509_crt *c = cert; c; c = c->next, n++) {
		size += c->raw.len + 5;
		if (!c->next || signed_by(c, c->next))
			continue;
		buf_addv(errors, file, ": certificate ", log_num(n + 1), " did not sign certificate ",
			log_num(n), "; the server's own comes first, each is signed by the next\n", NULL);
		return -1;
	}
	if (size > limit)
		return complain(errors, file, "the chain is larger than a record; leave out the root, or "
					      "compile with larger records");
	return 0;
}

/* Says which certificate the key is for, if it is another of the same file. */
static int check_pair(const mbedtls_x509_crt *cert, const char *cert_name, const mbedtls_pk_context *key,
	const char *key_name, struct buf *errors)
{
	unsigned n = 1;

	for (const mbedtls_x509_crt *c = cert; c; c = c->next, n++) {
		if (mbedtls_pk_check_pair(&c->pk, key, tls_random, NULL))
			continue;
		if (n == 1)
			return 0;
		buf_addv(errors, cert_name, ": the key of ", key_name, " belongs to certificate ",
			log_num(n), "; put that one first\n", NULL);
		return -1;
	}
	buf_addv(errors, key_name, ": the key does not belong to the certificate of ", cert_name, "\n",
		NULL);
	return -1;
}

int tls_check(struct str cert, const char *cert_name, struct str key, const char *key_name,
	struct buf *errors)
{
	mbedtls_x509_crt chain;
	mbedtls_pk_context pk;
	int rc;

	mbedtls_x509_crt_init(&chain);
	mbedtls_pk_init(&pk);
	rc = mbedtls_x509_crt_parse(&chain, (const unsigned char *)cert.p, cert.len);
	if (rc > 0)
		rc = complain(errors, cert_name, "one of the certificates cannot be read");
	else if (rc < 0)
		rc = complain(errors, cert_name, "holds no certificate in PEM form that can be used");
	else
		rc = check_key(&pk, key, key_name, errors);
	if (rc == 0)
		rc = check_pair(&chain, cert_name, &pk, key_name, errors);
	if (rc == 0)
		rc = check_order(&chain, cert_name, errors);
	if (rc == 0)
		warn_of_dates(&chain, cert_name);
	mbedtls_x509_crt_free(&chain);
	mbedtls_pk_free(&pk);
	return rc;
}

/* ---- files ---- */

/* With a zero byte at the end, as mbedTLS wants PEM. */
static int read_text(int dir, const char *file, struct buf *text, struct buf *errors)
{
	int rc = file_read(dir, file, TLS_MATERIAL_MAX, text);

	if (rc == 0 && buf_addc(text, '\0') == 0)
		return 0;
	return complain(errors, file, rc && errno ? strerror(errno) : "too large");
}

static int make_own(int data_fd, struct buf *errors)
{
	struct buf pem = {0};
	int rc = -1;

	if (tls_self_signed_make(srv_hostname(), &pem))
		complain(errors, OWN_FILE, "a certificate could not be made");
	else if (file_replace(data_fd, OWN_FILE, 0600, buf_str(&pem)))
		complain(errors, OWN_FILE, strerror(errno));
	else
		rc = 0;
	buf_wipe(&pem);
	if (rc == 0)
		log_warning("made a certificate that signs itself: clients cannot verify it; set tls_cert to "
			    "one of an authority",
			"file", OWN_FILE, "name", srv_hostname(), NULL);
	return rc;
}

static int read_own(int data_fd, struct buf *text, struct buf *errors)
{
	struct stat st;

	if (!ENABLE_TLS_SELF_SIGNED)
		return complain(errors, "tls_cert", "not set; it names the file with the server's certificate");
	if (fstatat(data_fd, OWN_FILE, &st, AT_SYMLINK_NOFOLLOW) && errno == ENOENT &&
		make_own(data_fd, errors))
		return -1;
	return read_text(data_fd, OWN_FILE, text, errors);
}

static int read_authorities(struct buf *text, struct buf *errors)
{
	mbedtls_x509_crt ca;
	int rc;

	if (!ENABLE_TLS_CLIENT_CERT || !*tls_settings.client_ca)
		return 0;
	if (read_text(AT_FDCWD, tls_settings.client_ca, text, errors))
		return -1;
	mbedtls_x509_crt_init(&ca);
	rc = mbedtls_x509_crt_parse(&ca, (const unsigned char *)text->data, text->len);
	mbedtls_x509_crt_free(&ca);
	return rc ? complain(errors, tls_settings.client_ca, "not all of it are certificates in PEM form") : 0;
}

int tls_load(int data_fd, struct buf *material, struct buf *errors)
{
	bool own = !*tls_settings.cert, joint = own || !*tls_settings.key;
	const char *cert_name = own ? OWN_FILE : tls_settings.cert;
	const char *key_name = joint ? cert_name : tls_settings.key;
	struct buf cert = {0}, key = {0}, ca = {0};
	int rc = -1;

	if (own && *tls_settings.key) {
		complain(errors, "tls_key", "tls_cert must be set too");
		goto wipe;
	}
	if (own ? read_own(data_fd, &cert, errors) : read_text(AT_FDCWD, cert_name, &cert, errors))
		goto wipe;
	if (!joint && read_text(AT_FDCWD, key_name, &key, errors))
		goto wipe;
	if (tls_check(buf_str(&cert), cert_name, buf_str(joint ? &cert : &key), key_name, errors) ||
		read_authorities(&ca, errors))
		goto wipe;
	buf_put8(material, tls_settings.required);
	buf_putstr(material, buf_str(&cert));
	buf_putstr(material, buf_str(joint ? &cert : &key));
	buf_putstr(material, buf_str(&ca));
	rc = 0;
	if (material->failed || material->len > TLS_MATERIAL_MAX)
		rc = complain(errors, cert_name, "certificates, key and authorities together are too large");
wipe:
	buf_wipe(&cert);
	buf_wipe(&key);
	buf_wipe(&ca);
	return rc;
}
