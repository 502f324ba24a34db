/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_DUMP_H
#define CORE_STORE_DUMP_H

#include "core/lib/buf.h"

/* `satchel dump`: writes one line for each record of a spool's log to fd, in order, changing nothing
 * and taking no lock.  A batch that is not valid is told by a line of its own.  0, or -1 with one
 * line in error_r. */
int store_dump(const char *dir, int fd, struct buf *error_r);

#endif
