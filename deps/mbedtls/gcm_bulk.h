/* SPDX-License-Identifier: 0BSD */
#ifndef SATCHEL_GCM_BULK_H
#define SATCHEL_GCM_BULK_H

#include "common.h"

#if defined(MBEDTLS_GCM_C) && defined(__x86_64__) && !defined(MBEDTLS_BLOCK_CIPHER_C)
#include "aesni.h"
#if defined(MBEDTLS_AESNI_HAVE_CODE)
#define GCM_BULK

#include "mbedtls/gcm.h"

/* Encrypts or decrypts whole blocks from the front, as many as it takes at once, where the processor
 * can; leaves ctx as mbedtls_gcm_update() would have.  How many bytes it took. */
size_t gcm_bulk(mbedtls_gcm_context *ctx, const unsigned char *in, unsigned char *out, size_t n);

#endif
#endif
#endif
