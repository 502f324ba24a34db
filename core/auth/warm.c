/* SPDX-License-Identifier: 0BSD */
#include "core/auth/warm.h"

#include <pthread.h>
#include <string.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>

#include "core/lib/file.h"
#include "core/lib/text.h"

#define HASH 32
#define WAYS 4

/* A digest lives in one of the WAYS places that its first bytes name; the oldest goes. */
struct entry {
	unsigned char digest[HASH];
	int64_t since; /* 0 = empty */
};

static struct {
	pthread_mutex_t lock;
	bool keyed;
	unsigned char key[HASH];
	struct entry v[CONFIG_LOGIN_CACHE / WAYS + 1][WAYS];
} warm = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void digest_of(const struct user_secret *s, struct str password, unsigned char digest_r[HASH])
{
	mbedtls_sha256_context c;

	mbedtls_sha256_init(&c);
	(void)mbedtls_sha256_starts(&c, 0);
	(void)mbedtls_sha256_update(&c, warm.key, sizeof(warm.key));
	(void)mbedtls_sha256_update(&c, s->stored_key, sizeof(s->stored_key));
	(void)mbedtls_sha256_update(&c, s->salt, sizeof(s->salt));
	(void)mbedtls_sha256_update(&c, (const unsigned char *)&s->iterations, sizeof(s->iterations));
	(void)mbedtls_sha256_update(&c, (const unsigned char *)password.p, password.len);
	(void)mbedtls_sha256_finish(&c, digest_r);
	mbedtls_sha256_free(&c);
}

static struct entry *places(const unsigned char digest[HASH])
{
	uint32_t n;

	memcpy(&n, digest, sizeof(n));
	return warm.v[n % (sizeof(warm.v) / sizeof(warm.v[0]))];
}

static bool is_known(const unsigned char digest[HASH], int64_t now)
{
	const struct entry *e = places(digest);

	for (unsigned i = 0; i < WAYS; i++) {
		if (e[i].since && now - e[i].since < CONFIG_LOGIN_CACHE_SECONDS &&
			text_equal_secret((struct str){(const char *)e[i].digest, HASH},
				(struct str){(const char *)digest, HASH}))
			return true;
	}
	return false;
}

static void remember(const unsigned char digest[HASH], int64_t now)
{
	struct entry *e = places(digest), *to = e;

	for (unsigned i = 0; i < WAYS; i++) {
		if (!memcmp(e[i].digest, digest, HASH)) {
			to = &e[i];
			break;
		}
		if (e[i].since < to->since)
			to = &e[i];
	}
	memcpy(to->digest, digest, HASH);
	to->since = now ? now : 1;
}

int warm_secret_check(const struct user_secret *secret, struct str password, int64_t now)
{
	unsigned char digest[HASH];
	bool known;
	int fits;

	if (!CONFIG_LOGIN_CACHE)
		return user_secret_check(secret, password);
	pthread_mutex_lock(&warm.lock);
	if (!warm.keyed)
		file_random(warm.key, sizeof(warm.key));
	warm.keyed = true;
	digest_of(secret, password, digest);
	known = is_known(digest, now);
	pthread_mutex_unlock(&warm.lock);
	fits = known ? 1 : user_secret_check(secret, password);
	if (fits == 1 && !known) {
		pthread_mutex_lock(&warm.lock);
		remember(digest, now);
		pthread_mutex_unlock(&warm.lock);
	}
	mbedtls_platform_zeroize(digest, sizeof(digest));
	return fits;
}

void warm_forget(void)
{
	pthread_mutex_lock(&warm.lock);
	mbedtls_platform_zeroize(warm.v, sizeof(warm.v));
	mbedtls_platform_zeroize(warm.key, sizeof(warm.key));
	warm.keyed = false;
	pthread_mutex_unlock(&warm.lock);
}
