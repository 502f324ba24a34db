/* SPDX-License-Identifier: 0BSD */
#include "features/tls/tls/tls.h"

#include <stdlib.h>

#define LIFETIME (6 * 3600) /* s; a key makes tickets so long and opens them as long again */

int tls_tickets_setup(struct tls_context *c)
{
	int rc;

	c->tickets = calloc(1, sizeof(*c->tickets));
	if (!c->tickets)
		return MBEDTLS_ERR_SSL_ALLOC_FAILED;
	mbedtls_ssl_ticket_init(c->tickets);
	rc = mbedtls_ssl_ticket_setup(
		c->tickets, tls_random, NULL, MBEDTLS_CIPHER_AES_256_GCM, LIFETIME);
	if (rc)
		return rc;
	mbedtls_ssl_conf_session_tickets_cb(
		&c->imap, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, c->tickets);
	mbedtls_ssl_conf_session_tickets_cb(
		&c->lmtp, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, c->tickets);
	return 0;
}

void tls_tickets_free(struct tls_context *c)
{
	if (!c->tickets)
		return;
	mbedtls_ssl_ticket_free(c->tickets);
	free(c->tickets);
	c->tickets = NULL;
}
