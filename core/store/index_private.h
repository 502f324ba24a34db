/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_INDEX_PRIVATE_H
#define CORE_STORE_INDEX_PRIVATE_H

/* Between index.c and index_read.c. */

#include "core/store/state.h"

/* The directory, read if need be; NULL + errno. */
struct index *index_of(const struct mailbox *m);
/* Frees a directory and its layers. */
void index_release(struct index_shared *sh, struct index **ix);
/* The live messages of a block if they are at hand; read if need be (NULL + errno).  Borrowed until
 * the next call. */
struct index_cached *index_cached(struct store *s, const struct index *ix, size_t block);
struct index_cached *index_load(struct store *s, struct index *ix, size_t block);
/* Reads what is kept over a directory that was just read.  0 / -1 + errno. */
int index_take_kept(struct mailbox *m);
int index_drop_tombs(struct store *s, struct index *ix, uint32_t n);

#endif
