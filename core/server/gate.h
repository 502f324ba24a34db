/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_GATE_H
#define CORE_SERVER_GATE_H

/* The gate's inside, open to its unit tests; srv_gate_run() is its one user otherwise. */

#include "core/server/server.h"

struct gate;

/* NULL: out of memory.  The listeners are borrowed. */
struct gate *gate_new(struct loop *l, const struct srv_listeners *listeners);
void gate_free(struct gate **g);
/* For srv_child_connect() and the like. */
struct srv_child *gate_child(struct gate *g);
/* Takes a connection (fd is owned) that came to the listener of this name; encrypted: it begins with a
 * handshake. */
void gate_take(struct gate *g, enum srv_service service, bool encrypted, const char *listener, int fd);
size_t gate_connections(const struct gate *g);

#endif
