/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_LMTP_LMTP_XCLIENT_ATTRIBUTES_H
#define FEATURES_LMTP_LMTP_XCLIENT_ATTRIBUTES_H

/* The arguments of XCLIENT: " NAME=value ADDR=value ..." (Postfix's XCLIENT_README). */

#include "core/lib/cursor.h"

/* Replaces *address by that of ADDR, as core/lib/network.h reads it; empty: it is not known.  NULL, or
 * the reply. */
const char *lmtp_xclient_parse(struct cursor c, struct buf *address);

#endif
