/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

/* lib/external.c of libsasl2; declared in a header that is not installed. */
extern sasl_server_plug_init_t external_server_plug_init;

static int add_external(const struct sasl_mech *mech)
{
	return sasl_server_add_plugin(mech->name, external_server_plug_init);
}

static const struct sasl_mech mechs[] = {
	{.name = "EXTERNAL", .external = true, .add = add_external},
	{0},
};

const struct feature sasl_external_feature = {
	.name = "sasl_external",
	.sasl_mechs = mechs,
};
