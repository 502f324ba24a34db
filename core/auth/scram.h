/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_SCRAM_H
#define CORE_AUTH_SCRAM_H

/* SCRAM with any hash of mbedTLS (RFC 5802), for the features that make mechanisms of it.  A
 * satchel_scram's md is one of mbedtls_md_type_t. */

#include <sasl/satchel_scram.h>

#include "core/hooks.h"

/* libsasl2 asks for the stored line by this name (RFC 3112). */
#define AUTH_SCRAM_PROPERTY "*authPassword"

/* What makes a mechanism of a hash: sasl_kept.own of a feature's mechanism, static and not const. */
struct auth_scram {
	struct satchel_scram hash;
	sasl_server_plug_t plugin; /* libsasl2's, filled in by auth_scram_add() */
};

/* The three functions of such a mechanism; make() takes CONFIG_SCRAM_ITERATIONS and a fresh salt. */
int auth_scram_make(const struct sasl_kept *kept, struct str password, struct buf *out);
int auth_scram_invent(const struct sasl_kept *kept, const unsigned char seed[32], struct buf *out);
int auth_scram_add(const struct sasl_mech *mech);

/* Appends "MECHANISM$ITERATIONS:SALT$STOREDKEY:SERVERKEY" (RFC 5803 2), derived from the password.
 * 0 / -1 ENOMEM. */
int auth_scram_derive(const struct satchel_scram *h, struct str password, uint32_t iterations,
	struct str salt, struct buf *out);

#endif
