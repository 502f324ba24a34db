/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <mbedtls/md.h>

#include "core/auth/scram.h"

static struct auth_scram scram = {
	.hash = {.mechanism = "SCRAM-SHA-256", .size = 32, .md = MBEDTLS_MD_SHA256},
};

static const struct sasl_kept kept = {
	.kind = "SCRAM-SHA-256",
	.property = AUTH_SCRAM_PROPERTY,
	/* made by core: LOGIN and PLAIN are checked against it too */
	.invent = auth_scram_invent,
	.own = &scram,
};

static const struct sasl_mech mechs[] = {
	{.name = "SCRAM-SHA-256", .bindable = true, .kept = &kept, .add = auth_scram_add},
	{0},
};

const struct feature sasl_scram_sha256_feature = {
	.name = "sasl_scram_sha256",
	.sasl_mechs = mechs,
};
