/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_NETWORK_H
#define CORE_LIB_NETWORK_H

/*
 * Lists of addresses and networks as settings have them, "192.0.2.7 198.51.100.0/24 2001:db8::/32 unix",
 * parted by spaces or commas; `unix` is whoever reaches a unix socket.
 */

#include <stdbool.h>
#include <sys/socket.h>

#include "core/lib/buf.h"

/* Reads an address without a port, or "unix".  0, or -1: it is none. */
int network_address(struct str text, struct sockaddr_storage *a_r);
/* Does the list hold it?  IPv4 in IPv6 clothes (RFC 4291 2.5.5.2) is IPv4. */
bool network_listed(const char *list, const struct sockaddr_storage *a);
/* The same for an address as text, as session.peer has it; nothing is in a list that is NULL. */
bool network_listed_text(const char *list, const char *peer);
/* Appends a line for each word of the setting `key` that is neither address nor network. */
void network_check_setting(const char *file, const char *key, const char *list, struct buf *errors);

#endif
