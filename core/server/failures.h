/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_FAILURES_H
#define CORE_SERVER_FAILURES_H

/*
 * How many wrong passwords came from an address of late.  Each counts until `forget_ms` have passed
 * for it and for those before it, so the number falls by one in each such time.
 *
 * The table has a fixed size.  An address lives in one of a few places that a hash under a random key
 * names; there the one that is forgotten soonest goes for a new one, so who comes from very many
 * addresses pushes out his own few failures before somebody's many.
 */

#include <stdint.h>

struct failures;

/* NULL: out of memory.  forget_ms: 0 counts as 1. */
struct failures *failures_new(uint64_t forget_ms);
void failures_free(struct failures **f);
/* address: srv_address_key(); 0, a unix socket, is never counted.  now: loop_now(). */
void failures_add(struct failures *f, uint64_t address, uint64_t now);
uint64_t failures_count(const struct failures *f, uint64_t address, uint64_t now);

#endif
