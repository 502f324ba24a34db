/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <string.h>

#include "core/lib/text.h"

/* plugins/cram.c of libsasl2 has no header. */
extern sasl_server_plug_init_t crammd5_server_plug_init;

#define STATE 32

static int add_line(const void *state, struct buf *out)
{
	buf_adds(out, "CRAM-MD5$");
	return text_base64_encode(out, (struct str){state, STATE});
}

static int make(const struct sasl_kept *k, struct str password, struct buf *out)
{
	HMAC_MD5_STATE state;
	int rc;

	(void)k;
	_Static_assert(sizeof(state) == STATE, "stored byte by byte");
	_sasl_hmac_md5_precalc(&state, (const unsigned char *)password.p, (int)password.len);
	rc = add_line(&state, out);
	explicit_bzero(&state, sizeof(state));
	return rc;
}

static int invent(const struct sasl_kept *k, const unsigned char seed[32], struct buf *out)
{
	(void)k;
	return add_line(seed, out);
}

static const struct sasl_kept kept = {
	.kind = "CRAM-MD5",
	.property = "*cmusaslsecretCRAM-MD5",
	.base64 = true,
	.make = make,
	.invent = invent,
};

static int add_cram_md5(const struct sasl_mech *mech)
{
	return sasl_server_add_plugin(mech->name, crammd5_server_plug_init);
}

static const struct sasl_mech mechs[] = {
	{.name = "CRAM-MD5", .kept = &kept, .add = add_cram_md5},
	{0},
};

const struct feature sasl_cram_md5_feature = {
	.name = "sasl_cram_md5",
	.sasl_mechs = mechs,
};
