/* SPDX-License-Identifier: 0BSD */
/* The OpenSSL names that plugins/scram.c uses, over the hashes of scram.h. */
#ifndef SATCHEL_EVP_H
#define SATCHEL_EVP_H

#include <satchel_scram.h>

typedef struct satchel_scram EVP_MD;

#define EVP_MAX_MD_SIZE 64
#define EVP_MD_size(md) ((md)->size)
/* A mechanism's glob_context is its hash. */
#define EVP_get_digestbyname(name) ((const EVP_MD *)(const void *)(name))
#define EVP_Digest(data, len, out, out_len, md, engine) \
	(satchel_scram_hash(md, data, len, out) != NULL)
#define HMAC(md, key, key_len, data, len, out, out_len) \
	satchel_scram_hmac(md, key, key_len, data, len, out)

#endif
