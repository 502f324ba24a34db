/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_CONFINE_H
#define CORE_SERVER_CONFINE_H

/*
 * What each role gives up before it reads a byte from anybody else.  Ids, root directory, resource
 * limits and the like are core's (confine.c); layers that a kernel may lack are features, which see
 * this header through core/hooks.h.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/lib/buf.h"
#include "core/server/server.h"

#define CONFINE_DIRS_MAX 16

/* Bits for tables that speak of several roles. */
enum {
	CONFINE_GATE = 1 << SRV_GATE,
	CONFINE_AUTH = 1 << SRV_AUTH,
	CONFINE_MAIL = 1 << SRV_MAIL,
	CONFINE_ALL = CONFINE_GATE | CONFINE_AUTH | CONFINE_MAIL,
};

/* How an argument of a system call is looked at. */
enum confine_test {
	CONFINE_ANY,     /* not at all */
	CONFINE_EQUAL,   /* must be `value` */
	CONFINE_NO_BITS, /* must have none of the bits of `value` */
	CONFINE_BITS,    /* must have all of them */
};

/* A system call that roles may make; tables end with roles 0.  Several lines for one call: one of
 * them must fit. */
struct confine_call {
	uint8_t roles, test, arg; /* arg: 0 to 5 */
	short number;             /* SYS_...; -1: this architecture has no such call */
	uint32_t value;           /* compared with the low half of the argument; the high half must be 0
	                             for CONFINE_EQUAL */
};

/* A role that is about to be confined. */
struct confine {
	enum srv_role role;
	int spool; /* directory of the spool; -1: the role has no business there */
	/* Directories outside the spool in which it goes on making and removing files. */
	const int *dirs;
	size_t n_dirs;
};

/* From mail_prepare(): files will be made and removed below this open directory. */
void confine_keep_dir(int dir);

#endif
