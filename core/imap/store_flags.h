/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_IMAP_STORE_FLAGS_H
#define CORE_IMAP_STORE_FLAGS_H

/* STORE and UID STORE (RFC 9051 6.4.6). */

#include "core/imap/message.h"

void imap_store_run(struct imap_session *s, struct imap_cmd *c);

#endif
