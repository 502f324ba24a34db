/* SPDX-License-Identifier: 0BSD */
#ifndef SATCHEL_SSL_UPDATE_H
#define SATCHEL_SSL_UPDATE_H

/* KeyUpdate of TLS 1.3 (RFC 8446 4.6.3), which mbedTLS 3.6 refuses; key-update.patch calls it. */

#include "ssl_misc.h"

/* Takes the KeyUpdate that was just read. */
int ssl_update_take(mbedtls_ssl_context *ssl);
/* Sends the one that the client asked for, if nothing else is being written. */
int ssl_update_answer(mbedtls_ssl_context *ssl);
void ssl_update_no_tickets(mbedtls_ssl_context *ssl);

#endif
