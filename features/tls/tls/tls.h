/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_TLS_TLS_TLS_H
#define FEATURES_TLS_TLS_TLS_H

/* What the files of this feature share.  In the master: load.c, self_signed.c; in the gate: the rest. */

#include <stdbool.h>

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_lend.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>

#include "core/lib/cursor.h"
#include "core/server/transport.h"

/* ---- tls.c ---- */

struct tls_settings {
	char *cert, *key, *client_ca, *imaps_listen, *lmtps_listen;
	bool required;
};

extern struct tls_settings tls_settings;

/* For mbedTLS: getrandom(2). */
int tls_random(void *unused, unsigned char *to, size_t n);
/* A few words for an error of mbedTLS. */
const char *tls_strerror(int rc);

/* ---- load.c: the material, `u8 required, str certificates, str key, str client authorities` in
 * PEM, each text with a zero byte at its end ---- */

#define TLS_MATERIAL_MAX (90 * 1024)

/* struct transport's load. */
int tls_load(int data_fd, struct buf *material, struct buf *errors);
/* Looks whether the texts (with their zero bytes) can be used together; cert_name and key_name are
 * for messages.  0, or -1: errors has lines. */
int tls_check(struct str cert, const char *cert_name, struct str key, const char *key_name,
	struct buf *errors);

/* ---- self_signed.c ---- */

/* Appends a new key and certificate for that host name, in PEM.  0 / -1. */
int tls_self_signed_make(const char *hostname, struct buf *pem);

/* ---- context.c: what connections of one material have in common ---- */

struct tls_context {
	unsigned uses;
	bool required;
	mbedtls_ssl_config imap, lmtp; /* they differ in ALPN */
	mbedtls_x509_crt cert, client_ca;
	mbedtls_pk_context key;
	mbedtls_ssl_ticket_context *tickets; /* NULL: none */
	unsigned char endpoint[64]; /* tls-server-end-point of cert */
	size_t endpoint_size;
};

/* NULL: no memory, or the material is of no use. */
struct tls_context *tls_context_new(struct str material);
struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context **c);

/* ---- tickets.c, alpn.c, client_cert.c, psa.c: parts that can be left out ---- */

/* Each sets its part up.  0 or an error of mbedTLS. */
int tls_tickets_setup(struct tls_context *c);
void tls_tickets_free(struct tls_context *c);
int tls_alpn_setup(mbedtls_ssl_config *conf);
int tls_client_cert_setup(struct tls_context *c, struct str pem);
/* Once in the process: the interface by which TLS 1.3 computes. */
int tls_psa_setup(void);
/* Appends whom the verified certificate of the client names, if there is one.  0 / -1 ENOMEM. */
int tls_client_cert_name(const mbedtls_ssl_context *ssl, struct buf *out);
/* The same for a certificate. */
int tls_client_cert_read(const mbedtls_x509_crt *cert, struct buf *out);

/* ---- conn.c ---- */

/* The members of struct transport that deal with one connection. */
struct transport_conn *tls_conn_new(struct tls_context *context, int fd, enum srv_service service,
	struct str before);
void tls_conn_free(struct transport_conn **t);
enum transport_result tls_conn_handshake(struct transport_conn *t);
const char *tls_conn_error(const struct transport_conn *t);
int tls_conn_info(const struct transport_conn *t, struct transport_info *info_r);
enum transport_result tls_conn_read(struct transport_conn *t);
struct str tls_conn_bytes(const struct transport_conn *t);
void tls_conn_consume(struct transport_conn *t, size_t n);
char *tls_conn_room(struct transport_conn *t, size_t *n_r);
enum transport_result tls_conn_write(struct transport_conn *t, size_t n);
enum transport_result tls_conn_flush(struct transport_conn *t);
enum transport_result tls_conn_shutdown(struct transport_conn *t);
void tls_conn_rest(struct transport_conn *t);
/* Frees the buffers that no connection has. */
void tls_conn_free_spare(void);

#endif
