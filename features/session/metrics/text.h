/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_METRICS_TEXT_H
#define FEATURES_METRICS_TEXT_H

#include "core/lib/buf.h"

/* "name value" lines of `satchel stat` as Prometheus text, format 0.0.4.  Lines whose value is no
 * number, and those with a name that such text cannot have, are left out. */
void metrics_text(struct str lines, struct buf *out);

#endif
