/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_SESSION_PROXY_PROTOCOL_HEADER_H
#define FEATURES_SESSION_PROXY_PROTOCOL_HEADER_H

/*
 * The header that a proxy sends before the bytes of its client: "The PROXY protocol, versions 1 and
 * 2" (haproxy's doc/proxy-protocol.txt; sections are of its 2020/03/05 edition).
 */

#include <stdbool.h>
#include <sys/socket.h>

#include "core/lib/buf.h"

/* More than any proxy sends; the protocol's own limit is 64 KiB. */
#define PROXY_PROTOCOL_MAX 2048

struct proxy_protocol_header {
	bool has_source;                /* no: the connection is the proxy's own, or it cannot say */
	struct sockaddr_storage source; /* AF_INET, AF_INET6 or AF_UNIX */
	bool tls;                       /* the client speaks TLS with the proxy */
};

/* Reads a header at the start of `in`, of either version.  How many bytes it takes; 0: there must be
 * more first; -1: it is none, and *why_r says what is wrong. */
int proxy_protocol_parse(struct str in, struct proxy_protocol_header *h, const char **why_r);

#endif
