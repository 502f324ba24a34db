/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_PREFACE_H
#define CORE_SERVER_PREFACE_H

/* What stands before the first byte of a client's protocol, as a feature read it. */

#include <stdbool.h>
#include <sys/socket.h>

struct preface {
	bool has_peer; /* the client is not who is connected, but `peer` */
	struct sockaddr_storage peer;
	bool secure;   /* it speaks TLS with somebody who is to be believed */
};

#endif
