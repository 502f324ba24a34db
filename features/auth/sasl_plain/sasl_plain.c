/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

/* plugins/plain.c of libsasl2 has no header. */
extern sasl_server_plug_init_t plain_server_plug_init;

static int add_plain(const struct sasl_mech *mech)
{
	return sasl_server_add_plugin(mech->name, plain_server_plug_init);
}

static const struct sasl_mech mechs[] = {
	{.name = "PLAIN", .plaintext = true, .add = add_plain},
	{0},
};

const struct feature sasl_plain_feature = {
	.name = "sasl_plain",
	.sasl_mechs = mechs,
};
