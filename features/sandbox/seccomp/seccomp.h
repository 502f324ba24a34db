/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_SANDBOX_SECCOMP_H
#define FEATURES_SANDBOX_SECCOMP_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "core/server/confine.h"

#define SECCOMP_PROGRAM_MAX 1024

struct seccomp_program {
	struct sock_filter code[SECCOMP_PROGRAM_MAX];
	size_t n;
	bool failed; /* it would not fit */
};

/* What core itself calls, and what ends a process; both end with roles 0. */
extern const struct confine_call seccomp_core_calls[];
extern const struct confine_call seccomp_fatal_calls[];

/* The filter of a role: of core's table and those of all features. */
void seccomp_assemble(struct seccomp_program *p, enum srv_role role);

#endif
