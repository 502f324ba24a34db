/* SPDX-License-Identifier: 0BSD */
#include "features/session/proxy_protocol/header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "core/lib/crc32c.h"
#include "core/lib/cursor.h"

#define V1_MAX 107 /* with CRLF, section 2.1 */
#define V2_HEAD 16

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n"; /* 12 bytes, section 2.2 */

enum { LOCAL = 0, PROXY = 1 };
enum { UNSPEC = 0x00, TCP4 = 0x11, TCP6 = 0x21, UNIX_STREAM = 0x31 };
enum { TLV_CRC32C = 0x03, TLV_SSL = 0x20 };
enum { CLIENT_SSL = 0x01 };

static int wrong(const char **why_r, const char *why)
{
	*why_r = why;
	return -1;
}

/* 1 `in` begins so, 0 it may yet, -1 it does not. */
static int begins(struct str in, const char *with, size_t n)
{
	size_t have = in.len < n ? in.len : n;

	if (have && memcmp(in.p, with, have))
		return -1;
	return have == n;
}

/* ---- version 1: a line ---- */

static int read_address(struct str word, int family, struct sockaddr_storage *a)
{
	char text[INET6_ADDRSTRLEN];

	if (word.len == 0 || word.len >= sizeof(text))
		return -1;
	memcpy(text, word.p, word.len);
	text[word.len] = '\0';
	memset(a, 0, sizeof(*a));
	a->ss_family = (sa_family_t)family;
	if (family == AF_INET)
		return inet_pton(family, text, &((struct sockaddr_in *)a)->sin_addr) == 1 ? 0 : -1;
	return inet_pton(family, text, &((struct sockaddr_in6 *)a)->sin6_addr) == 1 ? 0 : -1;
}

static int read_port(struct str word, uint16_t *port_r)
{
	uint64_t n;

	/* "000" is no port of any proxy. */
	if (str_u64(word, 65535, &n) || (word.len > 1 && word.p[0] == '0'))
		return -1;
	*port_r = htons((uint16_t)n);
	return 0;
}

static void set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = port;
	else
		((struct sockaddr_in6 *)a)->sin6_port = port;
}

/* "TCP4 192.0.2.1 198.51.100.2 56324 143", one space between words. */
static int read_v1_words(struct str line, struct proxy_protocol_header *h, const char **why_r)
{
	struct cursor c = cursor_from(line);
	struct sockaddr_storage destination;
	struct str word[5];
	uint16_t port, other;
	int family;

	for (int i = 0; i < 5; i++) {
		if (i && !cursor_accept(&c, ' '))
			return wrong(why_r, "words are missing");
		word[i] = cursor_take_until(&c, ' ');
	}
	family = str_eq(word[0], STR("TCP4")) ? AF_INET : str_eq(word[0], STR("TCP6")) ? AF_INET6 : 0;
	if (!family || !cursor_done(&c))
		return wrong(why_r, "neither TCP4, TCP6 nor UNKNOWN, or too many words");
	if (read_address(word[1], family, &h->source) || read_address(word[2], family, &destination))
		return wrong(why_r, "an address is malformed");
	if (read_port(word[3], &port) || read_port(word[4], &other))
		return wrong(why_r, "a port is malformed");
	set_port(&h->source, port);
	h->has_source = true;
	return 0;
}

static int read_v1(struct str in, struct proxy_protocol_header *h, const char **why_r)
{
	struct str head = {in.p, in.len < V1_MAX ? in.len : V1_MAX}, line;
	struct cursor c = cursor_from(head);
	int used;

	line = cursor_take_until(&c, '\n');
	if (cursor_done(&c))
		return in.len < V1_MAX ? 0 : wrong(why_r, "the line is too long");
	used = (int)line.len + 1;
	if (line.p[line.len - 1] != '\r')
		return wrong(why_r, "the line does not end with CR LF");
	line = (struct str){line.p + 6, line.len - 7}; /* without "PROXY " and CR */
	if (str_eq(line, STR("UNKNOWN")) || (line.len > 8 && memcmp(line.p, "UNKNOWN ", 8) == 0))
		return used; /* what follows is to be ignored */
	return read_v1_words(line, h, why_r) ? -1 : used;
}

/* ---- version 2: binary, in network byte order ---- */

static uint16_t big16(struct cursor *c)
{
	uint16_t high = cursor_u8(c);

	return (uint16_t)(high << 8 | cursor_u8(c));
}

static void take_v4(struct cursor *c, struct proxy_protocol_header *h)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct str address = cursor_take(c, 4);

	cursor_skip(c, 4);
	if (!c->failed)
		memcpy(&in.sin_addr, address.p, 4);
	in.sin_port = htons(big16(c));
	cursor_skip(c, 2);
	memcpy(&h->source, &in, sizeof(in));
	h->has_source = true;
}

static void take_v6(struct cursor *c, struct proxy_protocol_header *h)
{
	struct sockaddr_in6 in = {.sin6_family = AF_INET6};
	struct str address = cursor_take(c, 16);

	cursor_skip(c, 16);
	if (!c->failed)
		memcpy(&in.sin6_addr, address.p, 16);
	in.sin6_port = htons(big16(c));
	cursor_skip(c, 2);
	memcpy(&h->source, &in, sizeof(in));
	h->has_source = true;
}

static int take_addresses(struct cursor *c, uint8_t family, struct proxy_protocol_header *h,
	const char **why_r)
{
	switch (family) {
	case UNSPEC: /* "the receiver should ignore address information" */
		cursor_skip(c, cursor_left(c));
		return 0;
	case TCP4:
		take_v4(c, h);
		break;
	case TCP6:
		take_v6(c, h);
		break;
	case UNIX_STREAM:
		cursor_skip(c, 216);
		h->source.ss_family = AF_UNIX;
		h->has_source = true;
		break;
	default:
		return wrong(why_r, "not a stream over IPv4, IPv6 or a unix socket");
	}
	return c->failed ? wrong(why_r, "the length does not fit the addresses") : 0;
}

/* As if the four bytes of the checksum were zero (section 2.2.4). */
static bool checksum_fits(struct str header, const char *at)
{
	static const char zeros[4];
	struct cursor c = cursor_from(header);
	struct str before = cursor_take(&c, (size_t)(at - header.p)), value = cursor_take(&c, 4);
	struct cursor v = cursor_from(value);
	uint32_t wanted = (uint32_t)big16(&v) << 16, crc;

	wanted |= big16(&v);
	crc = crc32c(0, before.p, before.len);
	crc = crc32c(crc, zeros, sizeof(zeros));
	return crc32c(crc, c.p, cursor_left(&c)) == wanted;
}

static int take_extras(struct cursor *c, struct str header, struct proxy_protocol_header *h,
	const char **why_r)
{
	while (!cursor_done(c)) {
		uint8_t type = cursor_u8(c);
		struct str value = cursor_take(c, big16(c));

		if (c->failed)
			return wrong(why_r, "an extension is cut off");
		if (type == TLV_CRC32C && (value.len != 4 || !checksum_fits(header, value.p)))
			return wrong(why_r, "the checksum does not fit");
		if (type == TLV_SSL && value.len < 5)
			return wrong(why_r, "an extension is too short");
		if (type == TLV_SSL)
			h->tls = value.p[0] & CLIENT_SSL;
	}
	return 0;
}

static int read_v2(struct str in, struct proxy_protocol_header *h, const char **why_r)
{
	struct cursor c = cursor_from(in), body;
	uint8_t command, family;
	uint16_t length;

	if (in.len < V2_HEAD)
		return 0;
	cursor_skip(&c, sizeof(signature) - 1);
	command = cursor_u8(&c);
	family = cursor_u8(&c);
	length = big16(&c);
	if (command >> 4 != 2 || (command & 0x0f) > PROXY)
		return wrong(why_r, "an unknown version or command");
	if (length > PROXY_PROTOCOL_MAX - V2_HEAD)
		return wrong(why_r, "it is too long");
	if (cursor_left(&c) < length)
		return 0;
	body = cursor_from(cursor_take(&c, length));
	/* The proxy speaks for itself, to see whether we live: section 2.2. */
	if ((command & 0x0f) == LOCAL)
		return V2_HEAD + length;
	if (take_addresses(&body, family, h, why_r) ||
		take_extras(&body, (struct str){in.p, (size_t)V2_HEAD + length}, h, why_r))
		return -1;
	return V2_HEAD + length;
}

int proxy_protocol_parse(struct str in, struct proxy_protocol_header *h, const char **why_r)
{
	int v1 = begins(in, "PROXY ", 6), v2 = begins(in, signature, sizeof(signature) - 1);

	*h = (struct proxy_protocol_header){.has_source = false};
	if (v1 == 1)
		return read_v1(in, h, why_r);
	if (v2 == 1)
		return read_v2(in, h, why_r);
	return v1 == 0 || v2 == 0 ? 0 : wrong(why_r, "there is no header");
}
