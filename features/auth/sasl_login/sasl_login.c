/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

/* plugins/login.c of libsasl2 has no header. */
extern sasl_server_plug_init_t login_server_plug_init;

static int add_login(const struct sasl_mech *mech)
{
	return sasl_server_add_plugin(mech->name, login_server_plug_init);
}

static const struct sasl_mech mechs[] = {
	{.name = "LOGIN", .plaintext = true, .add = add_login},
	{0},
};

const struct feature sasl_login_feature = {
	.name = "sasl_login",
	.sasl_mechs = mechs,
};
