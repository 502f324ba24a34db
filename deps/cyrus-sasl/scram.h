/* SPDX-License-Identifier: 0BSD */
#ifndef SATCHEL_SCRAM_H
#define SATCHEL_SCRAM_H

/*
 * plugins/scram.c is one piece of code for every hash; here each hash is a mechanism of its own, so
 * that a program holds the chosen ones alone.  Installed as <sasl/satchel_scram.h>.
 */
#include <stddef.h>

#include "sasl.h"
#include "saslplug.h"

struct satchel_scram {
	const char *mechanism; /* "SCRAM-SHA-256" */
	unsigned size;         /* bytes of a hash, 64 at most */
	int md;                /* which one it is, for the two functions below */
};

/* The program brings the hashes: these write size bytes to out and return it. */
unsigned char *satchel_scram_hash(const struct satchel_scram *h, const void *data, size_t len,
	unsigned char *out);
unsigned char *satchel_scram_hmac(const struct satchel_scram *h, const void *key, size_t key_len,
	const void *data, size_t len, unsigned char *out);

/* The body of a sasl_server_plug_init_t; *plugin is filled in and must stay. */
int satchel_scram_init(const struct satchel_scram *h, sasl_server_plug_t *plugin, int max_version,
	int *version_r, sasl_server_plug_t **list_r, int *count_r);

#endif
