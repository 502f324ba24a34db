/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_ARENA_H
#define CORE_LIB_ARENA_H

/*
 * Memory that is freed all at once: one arena per command (reset after each) and per session.
 * Good: no frees to forget, no per-object cost (musl's malloc/free pair costs about 260 ns).
 * Bad: nothing comes back before the reset, so nothing that grows in a loop belongs here.
 * A zeroed struct is an empty arena that owns no memory.
 */

#include <stddef.h>

#include "core/lib/buf.h"

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t used; /* bytes handed out since the last reset */
	size_t max;  /* 0 = no limit; past it allocations return NULL */
};

/* Zeroed memory, aligned for any type, or NULL (ENOMEM). */
void *arena_alloc(struct arena *a, size_t n);
/* n * size with overflow check. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* A zero-terminated copy. */
char *arena_strdup(struct arena *a, struct str s);
/* A copy as str (also zero-terminated); .p NULL when out of memory. */
struct str arena_str(struct arena *a, struct str s);
/* What it has allocated. */
size_t arena_bytes(const struct arena *a);
/* Frees all, keeps one small block for the next command. */
void arena_reset(struct arena *a);
void arena_free(struct arena *a);
/* The same, with secrets in it. */
void arena_wipe(struct arena *a);

#endif
