/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_COLD_H
#define CORE_STORE_COLD_H

/*
 * Mail that is not in the page cache.  A reader that can come again (store_read_nowait()) is told so
 * instead of holding up the loop, and a thread reads what was missing, so that it is there next time.
 */

#include "core/store/state.h"

/* As pread(2) of all n bytes.  0; -1 + errno: EPROTO (the file ends before), or EAGAIN: some of them are
 * not there without waiting; then these, and what follows up to `end`, are what store_read_wait() fetches. */
int cold_read(struct store *s, int fd, char *p, size_t n, uint64_t at, uint64_t end);
int cold_start(struct store *s);
/* Calls those back whose bytes were fetched. */
void cold_done(struct store *s);
/* Nobody waits any more. */
void cold_stop(struct store *s);

#endif
