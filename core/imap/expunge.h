/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_IMAP_EXPUNGE_H
#define CORE_IMAP_EXPUNGE_H

/* EXPUNGE (RFC 9051 6.4.3) and UID EXPUNGE (RFC 4315). */

#include "core/imap/message.h"

void imap_expunge_run(struct imap_session *s, struct imap_cmd *c);

#endif
