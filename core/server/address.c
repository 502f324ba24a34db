/* SPDX-License-Identifier: 0BSD */
#include "core/server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static int invalid(void)
{
	errno = EINVAL;
	return -1;
}

static int parse_unix(struct str s, struct sockaddr_storage *a_r, unsigned *len_r)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	if (s.len >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(un.sun_path, s.p, s.len);
	memcpy(a_r, &un, sizeof(un));
	*len_r = sizeof(un);
	return 0;
}

static int parse_v6(struct str host, uint16_t port, struct sockaddr_storage *a_r, unsigned *len_r)
{
	struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	char text[64];

	if (host.len >= sizeof(text))
		return invalid();
	memcpy(text, host.p, host.len);
	text[host.len] = '\0';
	if (inet_pton(AF_INET6, text, &in.sin6_addr) != 1)
		return invalid();
	memcpy(a_r, &in, sizeof(in));
	*len_r = sizeof(in);
	return 0;
}

static int parse_v4(struct str host, uint16_t port, struct sockaddr_storage *a_r, unsigned *len_r)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	char text[32];

	if (str_ieq(host, STR("localhost")))
		host = STR("127.0.0.1");
	if (host.len >= sizeof(text))
		return invalid();
	memcpy(text, host.p, host.len);
	text[host.len] = '\0';
	if (inet_pton(AF_INET, text, &in.sin_addr) != 1)
		return invalid();
	memcpy(a_r, &in, sizeof(in));
	*len_r = sizeof(in);
	return 0;
}

int srv_address_parse(struct str s, struct sockaddr_storage *a_r, unsigned *len_r)
{
	struct str host = STR("*"), port = s;
	uint64_t number;

	memset(a_r, 0, sizeof(*a_r));
	if (s.len && memchr(s.p, '/', s.len))
		return parse_unix(s, a_r, len_r);
	for (size_t i = s.len; i-- > 0;) {
		if (s.p[i] == ':') {
			host = (struct str){s.p, i};
			port = (struct str){s.p + i + 1, s.len - i - 1};
			break;
		}
	}
	if (str_u64(port, 65535, &number))
		return invalid();
	if (str_eq(host, STR("*"))) /* IPv4 comes in by the same socket, see listen.c */
		return parse_v6(STR("::"), (uint16_t)number, a_r, len_r);
	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
		return parse_v6((struct str){host.p + 1, host.len - 2}, (uint16_t)number, a_r, len_r);
	return parse_v4(host, (uint16_t)number, a_r, len_r);
}

static void add_v4(struct buf *out, const unsigned char *b)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			buf_addc(out, '.');
		buf_addu(out, b[i]);
	}
}

/* RFC 5952: the first longest run of two or more zero groups is "::". */
static void add_v6(struct buf *out, const unsigned char *b)
{
	int best = -1, best_len = 1;

	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && !b[2 * (i + n)] && !b[2 * (i + n) + 1])
			n++;
		if (n > best_len) {
			best = i;
			best_len = n;
		}
	}
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			buf_adds(out, "::");
			i += best_len - 1;
			continue;
		}
		if (i && i != best + best_len)
			buf_addc(out, ':');
		buf_addhex(out, (uint64_t)b[2 * i] << 8 | b[2 * i + 1], 1);
	}
}

/* The four bytes of an IPv4 address, also of one in IPv6 clothes (RFC 4291 2.5.5.2); NULL if it is
 * none. */
static const unsigned char *as_v4(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return (const unsigned char *)&((const struct sockaddr_in *)a)->sin_addr;
	if (a->ss_family == AF_INET6) {
		const struct in6_addr *in = &((const struct sockaddr_in6 *)a)->sin6_addr;

		return IN6_IS_ADDR_V4MAPPED(in) ? in->s6_addr + 12 : NULL;
	}
	return NULL;
}

void srv_address_add(struct buf *out, const struct sockaddr_storage *a)
{
	const unsigned char *v4 = as_v4(a);

	if (v4)
		add_v4(out, v4);
	else if (a->ss_family == AF_INET6)
		add_v6(out, ((const struct sockaddr_in6 *)a)->sin6_addr.s6_addr);
	else
		buf_adds(out, "unix");
}

bool srv_address_is_local(const struct sockaddr_storage *a)
{
	const unsigned char *v4 = as_v4(a);

	if (v4)
		return v4[0] == 127;
	if (a->ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
	return a->ss_family == AF_UNIX || a->ss_family == AF_UNSPEC;
}

uint64_t srv_address_key(const struct sockaddr_storage *a)
{
	const unsigned char *bytes = as_v4(a);
	uint64_t key = 0;
	int n = 4;

	if (!bytes && a->ss_family == AF_INET6) {
		bytes = ((const struct sockaddr_in6 *)a)->sin6_addr.s6_addr;
		n = 8;
	}
	for (int i = 0; bytes && i < n; i++)
		key = key << 8 | bytes[i];
	/* "::1" and 0.0.0.0 are clients too, and must not look like a unix socket. */
	return bytes && !key ? 1 : key;
}
