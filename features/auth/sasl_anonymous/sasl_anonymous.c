/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

/* plugins/anonymous.c of libsasl2 has no header. */
extern sasl_server_plug_init_t anonymous_server_plug_init;

static int add_anonymous(const struct sasl_mech *mech)
{
	return sasl_server_add_plugin(mech->name, anonymous_server_plug_init);
}

static const struct sasl_mech mechs[] = {
	{.name = "ANONYMOUS", .anonymous = true, .add = add_anonymous},
	{0},
};

const struct feature sasl_anonymous_feature = {
	.name = "sasl_anonymous",
	.sasl_mechs = mechs,
};
