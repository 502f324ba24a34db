/* SPDX-License-Identifier: 0BSD */
#include "core/auth/warm.h"

#include <pthread.h>
#include <string.h>
#include <mbedtls/platform_util.h>

#include "core/auth/user_value.h"
#include "core/auth/users.h"
#include "core/lib/file.h"
#include "core/lib/text.h"

#define HASH 32
/* A digest lives in one of the WAYS places that its first bytes name; the oldest goes.  So many that
 * chance fills no row long before the table is full: whoever comes round after round would find
 * nothing in such a row. */
#define WAYS 32

struct entry {
	unsigned char digest[HASH];
	int64_t since; /* 0 = empty */
};

static struct {
	pthread_mutex_t lock;
	unsigned seconds; /* these two change before and after the threads' time only */
	unsigned char key[HASH];
	struct entry v[CONFIG_LOGIN_CACHE / WAYS + 1][WAYS];
} warm = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct str bytes(const unsigned char *p)
{
	return (struct str){(const char *)p, HASH};
}

static void digest_of(struct str line, struct str password, unsigned char digest_r[HASH])
{
	unsigned char own[HASH];

	user_hmac(warm.key, line, own);
	user_hmac(own, password, digest_r);
	mbedtls_platform_zeroize(own, sizeof(own));
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
	bool known = false;

	for (unsigned i = 0; i < WAYS; i++) {
		bool same = text_equal_secret(bytes(e[i].digest), bytes(digest));

		known |= same && e[i].since && now - e[i].since < warm.seconds;
	}
	return known;
}

static void remember(const unsigned char digest[HASH], int64_t now)
{
	struct entry *e = places(digest), *to = e;

	for (unsigned i = 0; i < WAYS; i++) {
		if (text_equal_secret(bytes(e[i].digest), bytes(digest))) {
			to = &e[i];
			break;
		}
		if (e[i].since < to->since)
			to = &e[i];
	}
	memcpy(to->digest, digest, HASH);
	to->since = now ? now : 1;
}

static bool look(const unsigned char digest[HASH], int64_t now)
{
	bool known;

	pthread_mutex_lock(&warm.lock);
	known = is_known(digest, now);
	pthread_mutex_unlock(&warm.lock);
	return known;
}

int warm_check(struct str line, struct str password, int64_t now)
{
	unsigned char digest[HASH];
	int fits = 1;

	if (!CONFIG_LOGIN_CACHE || !warm.seconds)
		return user_value_check(line, password);
	digest_of(line, password, digest);
	if (!look(digest, now)) {
		fits = user_value_check(line, password);
		pthread_mutex_lock(&warm.lock);
		if (fits == 1)
			remember(digest, now);
		pthread_mutex_unlock(&warm.lock);
	}
	mbedtls_platform_zeroize(digest, sizeof(digest));
	return fits;
}

void warm_start(unsigned seconds)
{
	pthread_mutex_lock(&warm.lock);
	file_random(warm.key, sizeof(warm.key));
	warm.seconds = seconds;
	pthread_mutex_unlock(&warm.lock);
}

void warm_stop(void)
{
	pthread_mutex_lock(&warm.lock);
	mbedtls_platform_zeroize(warm.v, sizeof(warm.v));
	mbedtls_platform_zeroize(warm.key, sizeof(warm.key));
	warm.seconds = 0;
	pthread_mutex_unlock(&warm.lock);
}
