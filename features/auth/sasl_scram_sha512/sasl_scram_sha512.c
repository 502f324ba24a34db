/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <mbedtls/md.h>

#include "core/auth/scram.h"

static struct auth_scram scram = {
	.hash = {.mechanism = "SCRAM-SHA-512", .size = 64, .md = MBEDTLS_MD_SHA512},
};

static const struct sasl_kept kept = {
	.kind = "SCRAM-SHA-512",
	.property = AUTH_SCRAM_PROPERTY,
	.make = auth_scram_make,
	.invent = auth_scram_invent,
	.own = &scram,
};

static const struct sasl_mech mechs[] = {
	{.name = "SCRAM-SHA-512", .bindable = true, .kept = &kept, .add = auth_scram_add},
	{0},
};

const struct feature sasl_scram_sha512_feature = {
	.name = "sasl_scram_sha512",
	.sasl_mechs = mechs,
};
