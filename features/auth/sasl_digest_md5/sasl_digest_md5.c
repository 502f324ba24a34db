/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "core/lib/text.h"

/* plugins/digestmd5.c of libsasl2 has no header. */
extern sasl_server_plug_init_t digestmd5_server_plug_init;

static int add_line(const struct sasl_kept *k, struct str password, struct buf *out)
{
	(void)k;
	buf_adds(out, "PASSWORD$");
	return text_base64_encode(out, password);
}

static int invent(const struct sasl_kept *k, const unsigned char seed[32], struct buf *out)
{
	struct buf text = {0};
	int rc;

	/* Text, because the plugin measures it by its NUL. */
	rc = text_base64_encode(&text, (struct str){(const char *)seed, 32});
	if (!rc)
		rc = add_line(k, buf_str(&text), out);
	buf_wipe(&text);
	return rc;
}

static const struct sasl_kept kept = {
	.kind = "PASSWORD",
	.property = "*userPassword",
	.base64 = true,
	.make = add_line,
	.invent = invent,
};

static int add_digest_md5(const struct sasl_mech *mech)
{
	return sasl_server_add_plugin(mech->name, digestmd5_server_plug_init);
}

static const struct sasl_mech mechs[] = {
	{.name = "DIGEST-MD5", .kept = &kept, .add = add_digest_md5},
	{0},
};

const struct feature sasl_digest_md5_feature = {
	.name = "sasl_digest_md5",
	.sasl_mechs = mechs,
};
