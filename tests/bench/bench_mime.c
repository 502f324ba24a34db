/* SPDX-License-Identifier: 0BSD */
/*
 * How fast messages are parsed and summarised.  For each kind of message: the tree alone, and the
 * whole summary with envelope and structures.   bench_mime [SECONDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/mime/header.h"
#include "core/mime/mime.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add_header(struct buf *b)
{
	for (int i = 0; i < 6; i++)
		buf_adds(b, "Received: from mail.example.com (mail.example.com [192.0.2.1])\r\n"
			    "\tby mx.example.org (Postfix) with ESMTPS id 4F3A21C0D2\r\n"
			    "\tfor <joe@example.org>; Thu, 1 Feb 2024 12:00:00 +0100 (CET)\r\n");
	buf_adds(b, "From: =?utf-8?q?J=C3=B6rg_Doe?= <joerg@example.com>\r\n"
		    "To: \"Joe Q. Public\" <joe@example.org>, ann@example.org\r\n"
		    "Cc: Staff: bob@example.org, eve@example.org;\r\n"
		    "Subject: The minutes of the meeting of the first of February\r\n"
		    "Date: Thu, 1 Feb 2024 12:00:00 +0100\r\n"
		    "Message-ID: <20240201120000.12345@example.com>\r\n"
		    "MIME-Version: 1.0\r\n");
}

static void add_lines(struct buf *b, size_t bytes)
{
	size_t goal = b->len + bytes;

	while (b->len < goal)
		buf_adds(b, "VGhpcyBpcyBhIGxpbmUgb2YgYmFzZTY0IHRleHQsIGFzIGxvbmcgYXMgdGhleSBhcmUgaW4gbWFp\r\n");
}

static void make_plain(struct buf *b)
{
	add_header(b);
	buf_adds(b, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
	add_lines(b, 2000);
}

static void make_alternative(struct buf *b)
{
	add_header(b);
	buf_adds(b, "Content-Type: multipart/alternative; boundary=\"----=_Part_1\"\r\n\r\n");
	buf_adds(b, "------=_Part_1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
	add_lines(b, 6000);
	buf_adds(b, "------=_Part_1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n");
	add_lines(b, 40000);
	buf_adds(b, "------=_Part_1--\r\n");
}

static void make_large(struct buf *b)
{
	add_header(b);
	buf_adds(b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\n"
		    "Content-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	add_lines(b, 10 << 20);
	buf_adds(b, "--b--\r\n");
}

/* Hostile: as many open multiparts as allowed, and every line could be a boundary. */
static void make_nested(struct buf *b)
{
	add_header(b);
	for (unsigned i = 0; i + 1 < CONFIG_MIME_DEPTH_MAX; i++) {
		buf_adds(b, "Content-Type: multipart/mixed; boundary=aaaaaaaa");
		buf_addu(b, 10000 + i);
		buf_adds(b, "\r\n\r\n--aaaaaaaa");
		buf_addu(b, 10000 + i);
		buf_adds(b, "\r\n");
	}
	while (b->len < 1 << 20)
		buf_adds(b, "--aaaaaaaa1\r\n--\r\n");
}

/* Hostile: nothing but boundaries and commas. */
static void make_commas(struct buf *b)
{
	buf_adds(b, "From: ");
	while (b->len < 1 << 20)
		buf_adds(b, "a,b@c,");
	buf_adds(b, "\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n");
	while (b->len < 2 << 20)
		buf_adds(b, "--b\r\n");
}

static void report(const char *what, const char *how, size_t bytes, double seconds, size_t runs)
{
	printf("%-12s %-8s %10zu bytes %9.1f MB/s %9.0f messages/s\n", what, how, bytes,
		(double)bytes * (double)runs / seconds / 1e6, (double)runs / seconds);
}

static void measure(const char *what, void (*make)(struct buf *), double limit)
{
	struct buf message = {0}, out = {0};
	struct arena a = {0};
	double begin, spent;
	size_t runs;

	make(&message);
	begin = now();
	for (runs = 0; (spent = now() - begin) < limit; runs++) {
		if (!mime_parse(&a, buf_str(&message)))
			exit(1);
		arena_reset(&a);
	}
	report(what, "tree", message.len, spent, runs);
	begin = now();
	for (runs = 0; (spent = now() - begin) < limit; runs++) {
		buf_clear(&out);
		if (mime_summary_add(&out, buf_str(&message)))
			exit(1);
	}
	report(what, "summary", message.len, spent, runs);
	arena_free(&a);
	buf_free(&message);
	buf_free(&out);
}

int main(int argc, char **argv)
{
	double limit = argc > 1 ? atof(argv[1]) : 1;

	measure("plain", make_plain, limit);
	measure("alternative", make_alternative, limit);
	measure("large", make_large, limit);
	measure("nested", make_nested, limit);
	measure("commas", make_commas, limit);
	return 0;
}
