/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_SESSION_PROC_PROC_H
#define FEATURES_SESSION_PROC_PROC_H

#include <stdbool.h>

#include "core/lib/buf.h"

struct mail;
struct session;

struct proc_slot { /* per session */
	struct session *session;
	struct proc_slot *prev, *next;
	bool queued;    /* among those to be written */
	size_t written; /* bytes in its file, 0: there is none */
};

/* Appends text without control bytes, "-" for none. */
void proc_add_field(struct buf *out, const char *text);
/* `satchel who`, `satchel kick NUMBER`. */
int proc_who(struct mail *m, struct str args, struct buf *out);
int proc_kick(struct mail *m, struct str args, struct buf *out);

#endif
