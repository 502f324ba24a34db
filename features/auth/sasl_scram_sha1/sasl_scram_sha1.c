/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <mbedtls/md.h>

#include "core/auth/scram.h"

static const struct satchel_scram hash = {.mechanism = "SCRAM-SHA-1", .size = 20, .md = MBEDTLS_MD_SHA1};

static int make(struct str password, struct buf *out)
{
	return auth_scram_make(&hash, password, out);
}

static int invent(const unsigned char seed[32], struct buf *out)
{
	return auth_scram_invent(&hash, seed, out);
}

static int init_plugin(const sasl_utils_t *utils, int max_version, int *version_r,
	sasl_server_plug_t **list_r, int *count_r)
{
	static sasl_server_plug_t plugin;

	(void)utils;
	return satchel_scram_init(&hash, &plugin, max_version, version_r, list_r, count_r);
}

static int add_scram(void)
{
	return sasl_server_add_plugin("SCRAM-SHA-1", init_plugin);
}

static const struct sasl_kept kept = {
	.kind = "SCRAM-SHA-1",
	.property = "*authPassword", /* RFC 3112 */
	.make = make,
	.invent = invent,
};

static const struct sasl_mech mechs[] = {
	{.name = "SCRAM-SHA-1", .kept = &kept, .add = add_scram},
	{0},
};

const struct feature sasl_scram_sha1_feature = {
	.name = "sasl_scram_sha1",
	.sasl_mechs = mechs,
};
