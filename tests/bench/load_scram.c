/* SPDX-License-Identifier: 0BSD */
/* The client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677).  The slow part is done once for each
 * salt: the server is measured, not the client. */
#include "tests/bench/load.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HASH = 32, TEXT = 512, SALTS = 4096 };

struct scram {
	char first[TEXT];      /* without its GS2 header */
};

/* Each at the place that its salt's first bytes name. */
static struct known {
	char salt[128];
	unsigned char client_key[HASH], stored_key[HASH];
} known[SALTS];

static void hmac(const unsigned char *key, const char *text, unsigned char *out)
{
	HMAC(EVP_sha256(), key, HASH, (const unsigned char *)text, strlen(text), out, NULL);
}

static const char *base64(const void *bytes, size_t n)
{
	static char text[2 * TEXT];
	if (n > TEXT)
		refused("a SCRAM message is too long");
	EVP_EncodeBlock((unsigned char *)text, bytes, (int)n);
	return text;
}

static size_t decode(const char *text, size_t n, unsigned char *to, size_t room)
{
	int got = n && n % 4 == 0 && n / 4 * 3 < room ? EVP_DecodeBlock(to, (const unsigned char *)text, (int)n) : -1;
	if (got < 0)
		refused(text);
	return (size_t)got - (text[n - 1] == '=') - (n > 1 && text[n - 2] == '=');
}

const char *scram_first(struct client *c, const char *user)
{
	static unsigned number;
	char text[TEXT];
	if (!c->scram)
		c->scram = calloc(1, sizeof(*c->scram));
	if (!c->scram)
		fatal("calloc");
	snprintf(c->scram->first, TEXT, "n=%.200s,r=nonce%u", user, number++);
	snprintf(text, sizeof(text), "n,,%.500s", c->scram->first);
	return base64(text, strlen(text));
}

/* from: ",s=SALT,i=ROUNDS" */
static const struct known *derive(const char *from)
{
	const char *rounds = strstr(from, ",i=");
	unsigned char bytes[TEXT], salted[HASH];
	struct known *k;
	size_t len;
	if (!rounds || strlen(from) >= sizeof(k->salt))
		refused(from);
	len = decode(from + 3, (size_t)(rounds - from - 3), bytes, sizeof(bytes));
	k = &known[(bytes[0] << 8 | bytes[1]) % SALTS];
	if (!strcmp(k->salt, from))
		return k;
	strcpy(k->salt, from);
	PKCS5_PBKDF2_HMAC(opt.password, (int)strlen(opt.password), bytes, (int)len, atoi(rounds + 3),
		EVP_sha256(), HASH, salted);
	hmac(salted, "Client Key", k->client_key);
	EVP_Digest(k->client_key, HASH, k->stored_key, NULL, EVP_sha256(), NULL);
	return k;
}

/* "r=...,s=...,i=...", or what ends the exchange: "v=...", which is answered by an empty line. */
const char *scram_final(struct client *c, const char *challenge)
{
	unsigned char text[TEXT], proof[HASH];
	char all[4 * TEXT], message[2 * TEXT];
	size_t n = decode(challenge, strcspn(challenge, "\r"), text, sizeof(text) - 1);
	const struct known *k;
	char *salt;
	text[n] = 0;
	if (!strncmp((char *)text, "v=", 2))
		return "";
	salt = strstr((char *)text, ",s=");
	if (!salt)
		refused((char *)text);
	k = derive(salt);
	snprintf(message, sizeof(message), "c=biws,%.*s", (int)(salt - (char *)text), (char *)text);
	snprintf(all, sizeof(all), "%s,%s,%s", c->scram->first, (char *)text, message);
	hmac(k->stored_key, all, proof);
	for (size_t i = 0; i < HASH; i++)
		proof[i] ^= k->client_key[i];
	n = strlen(message);
	snprintf(message + n, sizeof(message) - n, ",p=%.100s", base64(proof, HASH));
	return base64(message, strlen(message));
}
