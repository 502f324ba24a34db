/* SPDX-License-Identifier: 0BSD */
/* Messages: of one size, or a mix as a mail server sees it (34 KB in the mean, most of them small). */
#include "tests/bench/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 1024, LARGEST = 1100 << 10 };

static char *body, *out;
static size_t fixed;
static uint64_t serial, stamp;

/* Of 100 messages; the mean is 34 KiB. */
static const struct { unsigned share; size_t size; } mix[] = {
	{60, 4 << 10}, {25, 16 << 10}, {10, 64 << 10}, {4, 300 << 10}, {1, LARGEST},
};

/* Lines of 60 letters, different in each, none of which begins with the tag "t" or a dot. */
void message_init(void)
{
	uint64_t x = 88172645463325252u;
	body = malloc(LARGEST + 64);
	out = malloc(HEAD + LARGEST + 256);
	if (!body || !out)
		fatal("malloc");
	for (size_t i = 0; i < LARGEST; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		body[i] = i % 62 == 60 ? '\r' : i % 62 == 61 ? '\n' : i % 62 ? (char)('a' + x % 26) : 'B';
	}
	fixed = strcmp(opt.size, "mix") ? (size_t)atol(opt.size) : 0;
	if (fixed > LARGEST)
		refused("size= is too large");
	stamp = now_ns();
}

/* In an order that looks random and is the same in every run. */
static size_t size_next(void)
{
	unsigned k = (unsigned)(serial * 37 % 100);
	size_t i = 0;
	if (fixed)
		return fixed;
	while (k >= mix[i].share)
		k -= mix[i++].share;
	return mix[i].size;
}

static size_t add(size_t at, const char *text)
{
	size_t n = strlen(text);
	memcpy(out + at, text, n);
	return at + n;
}

static size_t add_lines(size_t at, size_t until)
{
	size_t n = until > at ? (until - at) / 62 * 62 : 0;
	size_t from = serial * 62 * 7 % (LARGEST / 2) / 62 * 62;
	if (from + n > LARGEST)
		from = 0;
	memcpy(out + at, body + from, n);
	return at + n;
}

const char *message_next(const char *to, size_t *len_r)
{
	size_t size = size_next(), at;
	int large = size > 8192;
	at = (size_t)snprintf(out, HEAD,
		"Received: from a.example.net (a.example.net [192.0.2.7])\r\n"
		"\tby mx.example.org (Postfix) with ESMTPS id 4F3A21C0D2;\r\n"
		"\tThu, 1 Feb 2024 12:00:00 +0100 (CET)\r\n"
		"From: \"Load Generator\" <load@example.net>\r\nTo: <%s@example.org>\r\n"
		"Subject: message number %llu\r\nDate: Thu, 1 Feb 2024 12:00:00 +0100\r\n"
		"Message-ID: <%llx.%llu@load.example.net>\r\nMIME-Version: 1.0\r\n", to,
		(unsigned long long)serial, (unsigned long long)stamp, (unsigned long long)serial);
	if (large) {
		at = add(at, "Content-Type: multipart/mixed; boundary=\"=_load\"\r\n\r\n--=_load\r\n"
			"Content-Type: text/plain; charset=utf-8\r\n\r\n");
		at = add_lines(at, 4096);
		at = add(at, "--=_load\r\nContent-Type: application/pdf; name=\"file.pdf\"\r\n"
			"Content-Transfer-Encoding: base64\r\n"
			"Content-Disposition: attachment; filename=\"file.pdf\"\r\n\r\n");
		at = add_lines(at, size - 12);
		at = add(at, "--=_load--\r\n");
	} else {
		at = add(at, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
		at = add_lines(at, size);
	}
	serial++;
	*len_r = at;
	return out;
}
