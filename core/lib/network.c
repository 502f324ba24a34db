/* SPDX-License-Identifier: 0BSD */
#include "core/lib/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "core/lib/cursor.h"

#define SEPARATORS " \t,"

/* A network: the first `bits` of 16 bytes. */
struct network {
	unsigned char bytes[16];
	unsigned bits;
	bool local; /* "unix" */
};

static void map_v4(unsigned char bytes[16], const void *v4)
{
	memset(bytes, 0, 10);
	memset(bytes + 10, 0xff, 2);
	memcpy(bytes + 12, v4, 4);
}

int network_address(struct str text, struct sockaddr_storage *a_r)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a_r;
	struct sockaddr_in *v4 = (struct sockaddr_in *)a_r;
	char copy[INET6_ADDRSTRLEN];

	*a_r = (struct sockaddr_storage){.ss_family = AF_UNIX};
	if (str_eq(text, STR("unix")))
		return 0;
	if (text.len >= sizeof(copy) || memchr(text.p, '\0', text.len))
		return -1;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	a_r->ss_family = AF_INET6;
	if (inet_pton(AF_INET6, copy, &v6->sin6_addr) == 1)
		return 0;
	a_r->ss_family = AF_INET;
	return inet_pton(AF_INET, copy, &v4->sin_addr) == 1 ? 0 : -1;
}

/* The address as a network of one.  -1: it has no number. */
static int as_network(const struct sockaddr_storage *a, struct network *n)
{
	*n = (struct network){.bits = a->ss_family == AF_INET ? 32 : 128};
	if (a->ss_family == AF_INET)
		map_v4(n->bytes, &((const struct sockaddr_in *)a)->sin_addr);
	else if (a->ss_family == AF_INET6)
		memcpy(n->bytes, &((const struct sockaddr_in6 *)a)->sin6_addr, sizeof(n->bytes));
	else if (a->ss_family == AF_UNIX)
		n->local = true;
	else
		return -1;
	return 0;
}

static int parse(struct str word, struct network *n)
{
	struct cursor c = cursor_from(word);
	struct str host = cursor_take_until(&c, '/');
	struct sockaddr_storage a;
	uint64_t bits;

	if (network_address(host, &a) || as_network(&a, n))
		return -1;
	bits = n->bits;
	if (!n->local && cursor_accept(&c, '/'))
		bits = cursor_number(&c, n->bits);
	if (c.failed || !cursor_done(&c))
		return -1;
	n->bits = (unsigned)bits + (n->bits == 32 ? 96 : 0);
	return 0;
}

static bool holds(const struct network *n, const struct network *one)
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;

	if (n->local || one->local)
		return n->local && one->local;
	return memcmp(one->bytes, n->bytes, whole) == 0 &&
		(!rest || (one->bytes[whole] ^ n->bytes[whole]) >> (8 - rest) == 0);
}

bool network_listed(const char *list, const struct sockaddr_storage *a)
{
	struct str rest = str_from(list), word;
	struct network n, one;

	if (as_network(a, &one))
		return false;
	while (str_word(&rest, SEPARATORS, &word)) {
		if (parse(word, &n) == 0 && holds(&n, &one))
			return true;
	}
	return false;
}

bool network_listed_text(const char *list, const char *peer)
{
	struct sockaddr_storage a;

	return list && *list && network_address(str_from(peer), &a) == 0 && network_listed(list, &a);
}

void network_check_setting(const char *file, const char *key, const char *list, struct buf *errors)
{
	struct str rest = str_from(list), word;
	struct network n;

	while (str_word(&rest, SEPARATORS, &word)) {
		if (parse(word, &n) == 0)
			continue;
		buf_addv(errors, file, ": ", NULL);
		buf_addstr(errors, word);
		buf_addv(errors, " in ", key, " is no address and no network\n", NULL);
	}
}
