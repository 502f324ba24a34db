/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_METRICS_HTTP_H
#define FEATURES_METRICS_HTTP_H

/* As much of HTTP/1.1 (RFC 9112) as a scraper speaks: one request without a body on a connection. */

#include <stdbool.h>

#include "core/lib/buf.h"

/* The longest head of a request that is read; a longer one is refused. */
#define METRICS_HEAD_MAX 4096

struct metrics_request {
	struct str method, path; /* of `in`; path is without a query */
};

/* Reads a request's head: how many bytes it has; 0: more must come (never for METRICS_HEAD_MAX bytes);
 * -1: it is none. */
int metrics_http_parse(struct str in, struct metrics_request *r);
/* Appends the answer to a HEAD (without its body) or another request.  status: "200 OK". */
void metrics_http_answer(struct buf *out, bool head, const char *status, const char *type, struct str body);

#endif
