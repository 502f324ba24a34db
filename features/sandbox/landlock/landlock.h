/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_SANDBOX_LANDLOCK_H
#define FEATURES_SANDBOX_LANDLOCK_H

/*
 * Landlock's interface as Linux 6.12 has it (landlock(7)): headers of build hosts are older than
 * the kernels that the program meets.
 */

#include <stdint.h>

enum {
	LL_SYS_CREATE_RULESET = 444, /* the same on all architectures */
	LL_SYS_ADD_RULE = 445,
	LL_SYS_RESTRICT_SELF = 446,
};

#define LL_CREATE_RULESET_VERSION 1u
#define LL_RULE_PATH_BENEATH      1

/* Rights on files, by the ABI that brought them. */
#define LL_EXECUTE     (1ull << 0)
#define LL_WRITE_FILE  (1ull << 1)
#define LL_READ_FILE   (1ull << 2)
#define LL_READ_DIR    (1ull << 3)
#define LL_REMOVE_DIR  (1ull << 4)
#define LL_REMOVE_FILE (1ull << 5)
#define LL_MAKE_CHAR   (1ull << 6)
#define LL_MAKE_DIR    (1ull << 7)
#define LL_MAKE_REG    (1ull << 8)
#define LL_MAKE_SOCK   (1ull << 9)
#define LL_MAKE_FIFO   (1ull << 10)
#define LL_MAKE_BLOCK  (1ull << 11)
#define LL_MAKE_SYM    (1ull << 12)
#define LL_REFER       (1ull << 13) /* 2: Linux 5.19 */
#define LL_TRUNCATE    (1ull << 14) /* 3: Linux 6.2 */
#define LL_IOCTL_DEV   (1ull << 15) /* 5: Linux 6.10 */

/* Addresses; 4: Linux 6.7. */
#define LL_BIND_TCP    (1ull << 0)
#define LL_CONNECT_TCP (1ull << 1)

/* What is outside of the sandbox; 6: Linux 6.12. */
#define LL_SCOPE_ABSTRACT_UNIX (1ull << 0)
#define LL_SCOPE_SIGNAL        (1ull << 1)

struct ll_ruleset {
	uint64_t fs, net, scoped; /* what is denied unless a rule allows it */
};

struct ll_path_beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

#endif
