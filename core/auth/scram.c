/* SPDX-License-Identifier: 0BSD */
#include "core/auth/scram.h"

#include <mbedtls/md.h>
#include <mbedtls/platform_util.h>

#include "core/lib/file.h"
#include "core/lib/text.h"

#define SALT 16
#define HASH_MAX 64

static const mbedtls_md_info_t *md_of(const struct satchel_scram *h)
{
	return mbedtls_md_info_from_type((mbedtls_md_type_t)h->md);
}

unsigned char *satchel_scram_hash(const struct satchel_scram *h, const void *data, size_t len,
	unsigned char *out)
{
	return mbedtls_md(md_of(h), data, len, out) ? NULL : out;
}

unsigned char *satchel_scram_hmac(const struct satchel_scram *h, const void *key, size_t key_len,
	const void *data, size_t len, unsigned char *out)
{
	return mbedtls_md_hmac(md_of(h), key, key_len, data, len, out) ? NULL : out;
}

/* RFC 5802 2.2: Hi(); the key's two padded blocks are hashed once, not once for each round. */
static int stretch(const struct satchel_scram *h, struct str password, uint32_t iterations,
	struct str salt, unsigned char out[HASH_MAX])
{
	static const unsigned char one[4] = {0, 0, 0, 1};
	unsigned char u[HASH_MAX] = {0};
	mbedtls_md_context_t c;
	int rc;

	mbedtls_md_init(&c);
	rc = mbedtls_md_setup(&c, md_of(h), 1);
	if (!rc)
		rc = mbedtls_md_hmac_starts(&c, (const unsigned char *)password.p, password.len);
	if (!rc)
		rc = mbedtls_md_hmac_update(&c, (const unsigned char *)salt.p, salt.len);
	if (!rc)
		rc = mbedtls_md_hmac_update(&c, one, sizeof(one));
	for (uint32_t i = 0; !rc && i < iterations; i++) {
		if (i) {
			rc |= mbedtls_md_hmac_reset(&c);
			rc |= mbedtls_md_hmac_update(&c, u, h->size);
		}
		rc |= mbedtls_md_hmac_finish(&c, u);
		for (size_t k = 0; k < h->size; k++)
			out[k] = i ? out[k] ^ u[k] : u[k];
	}
	mbedtls_md_free(&c);
	mbedtls_platform_zeroize(u, sizeof(u));
	return rc ? -1 : 0;
}

static int add_text(const struct satchel_scram *h, uint32_t iterations, struct str salt,
	const unsigned char *stored_key, const unsigned char *server_key, struct buf *out)
{
	buf_addv(out, h->mechanism, "$", NULL);
	buf_addu(out, iterations);
	buf_addc(out, ':');
	text_base64_encode(out, salt);
	buf_addc(out, '$');
	text_base64_encode(out, (struct str){(const char *)stored_key, h->size});
	buf_addc(out, ':');
	text_base64_encode(out, (struct str){(const char *)server_key, h->size});
	return out->failed ? -1 : 0;
}

/* RFC 5802 3 */
int auth_scram_derive(const struct satchel_scram *h, struct str password, uint32_t iterations,
	struct str salt, struct buf *out)
{
	unsigned char salted[HASH_MAX], client[HASH_MAX], stored[HASH_MAX], server[HASH_MAX];
	struct str client_word = STR("Client Key"), server_word = STR("Server Key");
	int rc = -1;

	if (!stretch(h, password, iterations, salt, salted) &&
			satchel_scram_hmac(h, salted, h->size, client_word.p, client_word.len, client) &&
			satchel_scram_hash(h, client, h->size, stored) &&
			satchel_scram_hmac(h, salted, h->size, server_word.p, server_word.len, server))
		rc = add_text(h, iterations, salt, stored, server, out);
	mbedtls_platform_zeroize(salted, sizeof(salted));
	mbedtls_platform_zeroize(client, sizeof(client));
	mbedtls_platform_zeroize(stored, sizeof(stored));
	mbedtls_platform_zeroize(server, sizeof(server));
	return rc;
}

static struct auth_scram *scram_of(const struct sasl_kept *kept)
{
	return kept->own;
}

int auth_scram_make(const struct sasl_kept *kept, struct str password, struct buf *out)
{
	char salt[SALT];

	file_random(salt, sizeof(salt));
	return auth_scram_derive(&scram_of(kept)->hash, password, CONFIG_SCRAM_ITERATIONS,
		(struct str){salt, SALT}, out);
}

int auth_scram_invent(const struct sasl_kept *kept, const unsigned char seed[32], struct buf *out)
{
	unsigned char keys[2 * HASH_MAX];

	/* Nobody sees the keys, and no password is known to lead to them. */
	file_random(keys, sizeof(keys));
	return add_text(&scram_of(kept)->hash, CONFIG_SCRAM_ITERATIONS,
		(struct str){(const char *)seed, SALT}, keys, keys + HASH_MAX, out);
}

/* libsasl2 calls back at once, in this thread, and hands nothing through. */
static struct auth_scram *adding;

static int init_plugin(const sasl_utils_t *utils, int max_version, int *version_r,
	sasl_server_plug_t **list_r, int *count_r)
{
	(void)utils;
	return satchel_scram_init(&adding->hash, &adding->plugin, max_version, version_r, list_r,
		count_r);
}

int auth_scram_add(const struct sasl_mech *mech)
{
	if (!ENABLE_SASL_SCRAM)
		return SASL_NOMECH;
	adding = scram_of(mech->kept);
	return sasl_server_add_plugin(mech->name, init_plugin);
}
