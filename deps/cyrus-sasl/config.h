/* SPDX-License-Identifier: 0BSD */
/* What configure would have found out; the same for musl and glibc. */
#ifndef CONFIG_H
#define CONFIG_H

#include <time.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netdb.h>
#include <netinet/in.h>

/* The host name is always told and addresses are not: the library need not ask the network, nor the
 * binary hold a resolver. Defined in plugins.c: fails. */
int satchel_no_addrinfo(const char *node, const char *service, const struct addrinfo *hints,
	struct addrinfo **result);
#define getaddrinfo satchel_no_addrinfo

/* Only lists of plugins for a terminal are printed; nobody asks for them. */
#include <stdio.h>
#define printf(...) ((void)0)

#define HAVE_GETADDRINFO 1
#define HAVE_GETHOSTNAME 1
#define HAVE_GETNAMEINFO 1
#define HAVE_GETPID 1
#define HAVE_GETTIMEOFDAY 1
#define HAVE_INTTYPES_H 1
#define HAVE_JRAND48 1
#define HAVE_PWD_H 1
#define HAVE_SNPRINTF 1
#define HAVE_STDARG_H 1
#define HAVE_STDINT_H 1
#define HAVE_TIME_H 1
#define HAVE_UNISTD_H 1
#define HAVE_VSNPRINTF 1

/* format.c: no stdio and no resolver for the few places that would use them. */
#define snprintf satchel_sasl_snprintf
#define sprintf satchel_sasl_sprintf
#define printf satchel_sasl_printf
#define getaddrinfo satchel_sasl_getaddrinfo
#define freeaddrinfo satchel_sasl_freeaddrinfo

/* mechanisms.patch: 0 if n bytes are the same, in a time that does not tell where they differ.  In
 * plugins.c. */
int satchel_differ(const void *a, const void *b, size_t n);

/* CRAM-MD5 checks against the prepared HMAC state, so that the password itself need not be kept. */
#define OBSOLETE_CRAM_ATTR 1

#define PACKAGE "cyrus-sasl"
#define VERSION "2.1.28"
/* No configuration files and no plugin folders: settings come from the server. */
#define HIER_DELIMITER '/'
#define CONFIGDIR "/nonexistent"
#define PLUGINDIR "/nonexistent"
#define SASL_CONF_PATH_ENV_VAR "SASL_CONF_PATH"
#define SASL_PATH_ENV_VAR "SASL_PATH"
/* Its own generator is seeded from a file that is not in the roots of the server, and has 48 bits. */
#define jrand48 satchel_sasl_random
long satchel_sasl_random(unsigned short *pool);

#define GCC_FALLTHROUGH __attribute__((fallthrough));

#endif
