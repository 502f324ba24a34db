/* SPDX-License-Identifier: 0BSD */
#include "core/auth/users.h"

#include <errno.h>
#include <string.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>

#include "core/lib/cursor.h"
#include "core/lib/file.h"
#include "core/lib/text.h"

#define HASH 32
#define BLOCK 64
#define SALT_OURS 16

/* HMAC-SHA-256 (RFC 2104) whose two padded key blocks are hashed once, not once for each round. */
struct hmac {
	mbedtls_sha256_context inner, outer;
};

/* mbedTLS' software SHA-256 has no way to fail; its return codes serve accelerators. */
static void sha256_begin(mbedtls_sha256_context *c, const unsigned char block[BLOCK])
{
	mbedtls_sha256_init(c);
	(void)mbedtls_sha256_starts(c, 0);
	(void)mbedtls_sha256_update(c, block, BLOCK);
}

static void hmac_begin(struct hmac *h, const void *key, size_t len)
{
	unsigned char pad[BLOCK] = {0};

	if (len > BLOCK)
		(void)mbedtls_sha256(key, len, pad, 0);
	else if (len)
		memcpy(pad, key, len);
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36;
	sha256_begin(&h->inner, pad);
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	sha256_begin(&h->outer, pad);
	mbedtls_platform_zeroize(pad, sizeof(pad));
}

static void hmac_end(struct hmac *h)
{
	mbedtls_sha256_free(&h->inner);
	mbedtls_sha256_free(&h->outer);
}

/* work is scratch of the caller, so that rounds need no wiping in between. */
static void hmac_run(const struct hmac *h, mbedtls_sha256_context *work, struct str a, struct str b,
	unsigned char out[HASH])
{
	mbedtls_sha256_clone(work, &h->inner);
	(void)mbedtls_sha256_update(work, (const unsigned char *)a.p, a.len);
	if (b.len)
		(void)mbedtls_sha256_update(work, (const unsigned char *)b.p, b.len);
	(void)mbedtls_sha256_finish(work, out);
	mbedtls_sha256_clone(work, &h->outer);
	(void)mbedtls_sha256_update(work, out, HASH);
	(void)mbedtls_sha256_finish(work, out);
}

static struct str bytes(const unsigned char *p, size_t n)
{
	return (struct str){(const char *)p, n};
}

void user_pbkdf2(struct str password, struct str salt, uint32_t iterations,
	unsigned char key_r[HASH])
{
	mbedtls_sha256_context work;
	unsigned char u[HASH];
	struct hmac h;

	mbedtls_sha256_init(&work);
	hmac_begin(&h, password.p, password.len);
	/* RFC 8018 5.2: one block is enough, its number is 1. */
	hmac_run(&h, &work, salt, bytes((const unsigned char *)"\0\0\0\1", 4), u);
	memcpy(key_r, u, HASH);
	for (uint32_t i = 1; i < iterations; i++) {
		hmac_run(&h, &work, bytes(u, HASH), STR_NULL, u);
		for (size_t k = 0; k < HASH; k++)
			key_r[k] ^= u[k];
	}
	mbedtls_sha256_free(&work);
	hmac_end(&h);
	mbedtls_platform_zeroize(u, sizeof(u));
}

void user_hmac(const unsigned char key[HASH], struct str text, unsigned char out[HASH])
{
	mbedtls_sha256_context work;
	struct hmac h;

	mbedtls_sha256_init(&work);
	hmac_begin(&h, key, HASH);
	hmac_run(&h, &work, text, STR_NULL, out);
	mbedtls_sha256_free(&work);
	hmac_end(&h);
}

/* RFC 5802 3: StoredKey := H(HMAC(SaltedPassword, "Client Key")), ServerKey likewise unhashed. */
void user_secret_derive(struct str password, uint32_t iterations, struct str salt,
	struct user_secret *secret_r)
{
	unsigned char salted[HASH], client[HASH];

	memset(secret_r, 0, sizeof(*secret_r));
	secret_r->iterations = iterations;
	secret_r->salt_len = (uint32_t)(salt.len < USER_SALT_MAX ? salt.len : USER_SALT_MAX);
	memcpy(secret_r->salt, salt.p, secret_r->salt_len);
	user_pbkdf2(password, bytes(secret_r->salt, secret_r->salt_len), iterations, salted);
	user_hmac(salted, STR("Client Key"), client);
	(void)mbedtls_sha256(client, HASH, secret_r->stored_key, 0);
	user_hmac(salted, STR("Server Key"), secret_r->server_key);
	mbedtls_platform_zeroize(salted, sizeof(salted));
	mbedtls_platform_zeroize(client, sizeof(client));
}

int user_secret_make(struct str password, uint32_t iterations, struct user_secret *secret_r)
{
	unsigned char salt[SALT_OURS];

	if (!password.len || password.len > USER_PASSWORD_MAX ||
			memchr(password.p, 0, password.len) ||
			iterations < USER_ITERATIONS_MIN || iterations > USER_ITERATIONS_MAX) {
		errno = EINVAL;
		return -1;
	}
	file_random(salt, sizeof(salt));
	user_secret_derive(password, iterations, bytes(salt, sizeof(salt)), secret_r);
	return 0;
}

int user_secret_check(const struct user_secret *secret, struct str password)
{
	struct user_secret got;
	bool same;

	if (!secret->iterations || secret->iterations > USER_ITERATIONS_MAX || !secret->salt_len ||
			secret->salt_len > USER_SALT_MAX) {
		errno = EINVAL;
		return -1;
	}
	user_secret_derive(password, secret->iterations, bytes(secret->salt, secret->salt_len),
		&got);
	same = text_equal_secret(bytes(got.stored_key, HASH), bytes(secret->stored_key, HASH)) &&
		password.len <= USER_PASSWORD_MAX &&
		/* HMAC fills a short key up with NUL bytes: "a" and "a\0" would derive alike. */
		!(password.len && memchr(password.p, 0, password.len));
	mbedtls_platform_zeroize(&got, sizeof(got));
	return same;
}

int user_secret_format(const struct user_secret *s, struct buf *out)
{
	buf_adds(out, "SCRAM-SHA-256$");
	buf_addu(out, s->iterations);
	buf_addc(out, ':');
	text_base64_encode(out, bytes(s->salt, s->salt_len));
	buf_addc(out, '$');
	text_base64_encode(out, bytes(s->stored_key, HASH));
	buf_addc(out, ':');
	text_base64_encode(out, bytes(s->server_key, HASH));
	return out->failed ? -1 : 0;
}

/* Takes base64 up to `end` (-1: all that is left) and decodes it to at most max bytes. */
static size_t take_base64(struct cursor *c, int end, unsigned char *to, size_t max)
{
	struct buf b = {.max = USER_SECRET_TEXT_MAX};
	struct str text = end < 0 ? cursor_take(c, cursor_left(c)) : cursor_take_until(c, end);
	size_t n = 0;

	if (end >= 0 && !cursor_accept(c, end))
		c->failed = true;
	if (text.len > USER_SECRET_TEXT_MAX || text_base64_decode(&b, text, true) || b.len > max)
		c->failed = true;
	else if (b.len)
		memcpy(to, buf_str(&b).p, n = b.len);
	buf_wipe(&b);
	return n;
}

int user_secret_parse(struct str text, struct user_secret *s)
{
	struct cursor c = cursor_from(text);

	memset(s, 0, sizeof(*s));
	if (!cursor_accept_word(&c, STR("SCRAM-SHA-256$")))
		goto malformed;
	s->iterations = (uint32_t)cursor_number(&c, USER_ITERATIONS_MAX);
	if (c.failed || s->iterations < USER_ITERATIONS_MIN || !cursor_accept(&c, ':'))
		goto malformed;
	s->salt_len = (uint32_t)take_base64(&c, '$', s->salt, sizeof(s->salt));
	if (c.failed || !s->salt_len ||
			take_base64(&c, ':', s->stored_key, HASH) != HASH || c.failed ||
			take_base64(&c, -1, s->server_key, HASH) != HASH || c.failed)
		goto malformed;
	return 0;

malformed:
	mbedtls_platform_zeroize(s, sizeof(*s));
	errno = EINVAL;
	return -1;
}
