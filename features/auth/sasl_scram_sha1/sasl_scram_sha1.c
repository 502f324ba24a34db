/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <mbedtls/md.h>

#include "core/auth/scram.h"

static struct auth_scram scram = {
	.hash = {.mechanism = "SCRAM-SHA-1", .size = 20, .md = MBEDTLS_MD_SHA1},
};

static const struct sasl_kept kept = {
	.kind = "SCRAM-SHA-1",
	.property = AUTH_SCRAM_PROPERTY,
	.make = auth_scram_make,
	.invent = auth_scram_invent,
	.own = &scram,
};

static const struct sasl_mech mechs[] = {
	{.name = "SCRAM-SHA-1", .bindable = true, .kept = &kept, .add = auth_scram_add},
	{0},
};

const struct feature sasl_scram_sha1_feature = {
	.name = "sasl_scram_sha1",
	.sasl_mechs = mechs,
};
