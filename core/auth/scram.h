/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_SCRAM_H
#define CORE_AUTH_SCRAM_H

/* SCRAM with any hash of mbedTLS (RFC 5802), for the features that make mechanisms of it.  A
 * satchel_scram's md is one of mbedtls_md_type_t. */

#include <sasl/satchel_scram.h>

#include "core/lib/buf.h"

/* Appends "MECHANISM$ITERATIONS:SALT$STOREDKEY:SERVERKEY" (RFC 5803 2), derived from the password
 * with a fresh salt and CONFIG_SCRAM_ITERATIONS.  0 / -1 ENOMEM. */
int auth_scram_make(const struct satchel_scram *h, struct str password, struct buf *out);
/* The same with given salt and rounds. */
int auth_scram_derive(const struct satchel_scram *h, struct str password, uint32_t iterations,
	struct str salt, struct buf *out);
/* Appends such a text that no password fits; the seed decides the salt.  0 / -1 ENOMEM. */
int auth_scram_invent(const struct satchel_scram *h, const unsigned char seed[32], struct buf *out);

#endif
