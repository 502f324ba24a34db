/* SPDX-License-Identifier: 0BSD */
/*
 * Satchel's configuration of mbedTLS 3.6: what is not named here, or by a feature (feature.mk), is
 * not compiled. Randomness comes from getrandom(2) directly: neither entropy collection nor a
 * generator is wanted.
 */
#ifndef SATCHEL_MBEDTLS_CONFIG_H
#define SATCHEL_MBEDTLS_CONFIG_H

#define MBEDTLS_HAVE_ASM

/* SHA-256, HMAC, and PBKDF2 for stored passwords (RFC 5802, RFC 7677, RFC 8018) */
#define MBEDTLS_SHA256_C
#define MBEDTLS_MD_C
#define MBEDTLS_PKCS5_C

#define MBEDTLS_BASE64_C

#endif
