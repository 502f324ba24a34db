/* SPDX-License-Identifier: 0BSD */
#ifndef SATCHEL_SSL_LEND_H
#define SATCHEL_SSL_LEND_H

/*
 * What mbedTLS's own interface lacks for a server with many idle connections: the two record buffers
 * are lent to a connection only while it has bytes under way, and plaintext is read from and written
 * to them without a copy.  Server side, TLS, after mbedtls_ssl_setup().
 */

#include <stdbool.h>
#include <stddef.h>

#include "mbedtls/ssl.h"

/* What stays of the buffers while they are away. */
struct ssl_lend_kept {
	unsigned char in_counter[8];
};

/* Sizes of the two buffers. */
size_t ssl_lend_in_size(void);
size_t ssl_lend_out_size(void);
/* True if no byte is under way in either direction and the handshake is over. */
bool ssl_lend_idle(const mbedtls_ssl_context *ssl);
/* Takes both buffers from an idle connection; they are wiped and the caller's. */
void ssl_lend_take(mbedtls_ssl_context *ssl, struct ssl_lend_kept *kept_r, unsigned char **in_r,
	unsigned char **out_r);
/* Gives buffers of those sizes, which ssl owns from now on. */
void ssl_lend_give(mbedtls_ssl_context *ssl, const struct ssl_lend_kept *kept, unsigned char *in,
	unsigned char *out);

/* mbedtls_ssl_handshake(), but who showed a certificate gets no TLS 1.3 ticket: mbedTLS would not
 * know the certificate again in the session that the ticket resumes. */
int ssl_lend_handshake(mbedtls_ssl_context *ssl);
/* Decrypts the next record unless bytes of one are left.  0, with bytes or without (an empty record,
 * or the end of the connection), or an error of mbedtls_ssl_read(). */
int ssl_lend_read(mbedtls_ssl_context *ssl);
/* The decrypted bytes, borrowed; and taking n of them. */
const unsigned char *ssl_lend_bytes(const mbedtls_ssl_context *ssl, size_t *n_r);
void ssl_lend_consume(mbedtls_ssl_context *ssl, size_t n);
/* Where the next record's plaintext goes, or NULL while a record is still to be written. */
unsigned char *ssl_lend_room(mbedtls_ssl_context *ssl, size_t *n_r);
/* Encrypts and writes n bytes from there; what the socket does not take waits for
 * ssl_lend_flush().  0, MBEDTLS_ERR_SSL_WANT_WRITE (it is taken nevertheless), or an error. */
int ssl_lend_write(mbedtls_ssl_context *ssl, size_t n);
int ssl_lend_flush(mbedtls_ssl_context *ssl);

#endif
