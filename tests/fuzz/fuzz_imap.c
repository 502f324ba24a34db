/* SPDX-License-Identifier: 0BSD */
/*
 * IMAP from the first byte a stranger sends: the gate's part, then a session over a socket with the
 * real store below.  The first byte chooses: even, from the greeting on; odd, already logged in.
 * Half of it is the size of the pieces in which the rest arrives.
 */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/imap/imap.h"
#include "core/lib/log.h"
#include "core/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUNS_PER_SPOOL 500

static struct {
	char dir[64];
	struct loop *loop;
	struct store *store;
	unsigned runs;
} spool;

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void remove_spool(void)
{
	if (!spool.store)
		return;
	store_close(&spool.store);
	nftw(spool.dir, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int lookup(struct mail *m, struct str name, struct buf *words)
{
	(void)m;
	(void)name;
	(void)words;
	return 1;
}

static void add_message(struct mailbox *m, const char *text)
{
	struct body *b = body_new(spool.store);
	struct message_new v = {.body = b, .prefix = STR("Return-Path: <>\r\n"), .internaldate = 1700000000};

	must(b && !buf_adds(body_buf(b), text) && !body_finish(b));
	must(!mailbox_append(m, &v, 1, NULL, NULL));
	body_free(&b);
}

/* A fresh spool now and then, so that what one input leaves behind does not pile up. */
static void prepare(void)
{
	struct store_options o = {.dir = spool.dir, .checkpoint_interval = 3600, .body_budget = 64 << 20};
	struct account *a;
	struct buf error = {0};
	struct mailbox *inbox;

	if (spool.store && ++spool.runs % RUNS_PER_SPOOL)
		return;
	if (!spool.loop) {
		log_init("fuzz", 0, false);
		spool.loop = loop_new();
		atexit(remove_spool);
	}
	remove_spool();
	snprintf(spool.dir, sizeof(spool.dir), "%s/satchel-fuzz-XXXXXX",
		access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	must(mkdtemp(spool.dir) != NULL);
	spool.store = store_open(spool.loop, &o, &error);
	must(spool.store != NULL);
	buf_free(&error);
	must(account_open(spool.store, STR("fuzz"), true, &a) == 1);
	inbox = mailbox_find(a, STR("INBOX"));
	add_message(inbox, "From: a <a@b.c>\r\nTo: d@e.f, g: h@i.j;\r\nSubject: =?utf-8?q?=C3=BC?=\r\n\r\nbody\r\n");
	add_message(inbox, "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n"
		"\r\nSubject: in\r\n\r\nin\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n--x--\r\n");
}

static void drain(int fd)
{
	char bytes[65536];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		must(!memchr(bytes, 0, (size_t)n));
}

static void converse(struct str tag, struct str unread, struct str rest, size_t piece)
{
	struct mail mail = {.loop = spool.loop, .store = spool.store, .hostname = "mx",
		.account_lookup = lookup};
	int fd[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd));
	must(!imap_session_start(&mail, fd[0], tag, STR("fuzz"), "PLAIN", STR("::1"), false, unread));
	for (int i = 0; i < 100000 && rest.len && mail.sessions; i++) {
		size_t n = rest.len < piece ? rest.len : piece;
		ssize_t done = send(fd[1], rest.p, n, MSG_NOSIGNAL);

		if (done > 0) {
			rest.p += done;
			rest.len -= (size_t)done;
		}
		loop_turn(spool.loop, 0);
		drain(fd[1]);
	}
	shutdown(fd[1], SHUT_WR);
	/* Whatever was said, the session comes to its end. */
	for (int i = 0; i < 20000 && mail.sessions; i++) {
		loop_turn(spool.loop, 1);
		drain(fd[1]);
	}
	close(fd[1]);
	must(!mail.sessions);
}

/* What auth might answer: the request decides. */
static void answer(struct prelogin *p, unsigned *steps)
{
	struct str request = buf_str(&p->auth);
	enum prelogin_auth status = PRELOGIN_AUTH_OK;

	must(request.len > 0 || !p->auth_first);
	if (request.len && request.p[request.len - 1] == 'x')
		status = PRELOGIN_AUTH_FAILED;
	else if (request.len && request.p[0] == 1 && ++*steps < 3)
		status = PRELOGIN_AUTH_CONTINUE;
	else if (request.len && request.p[request.len - 1] == 'r')
		status = PRELOGIN_AUTH_REFUSED;
	imap_prelogin_auth(p, status, STR("r=\r\n"));
}

static void from_the_greeting(struct str in, size_t piece)
{
	struct prelogin p = {.hostname = "mx", .secure = true};
	unsigned steps = 0;

	imap_prelogin_greet(&p);
	while (p.want == PRELOGIN_AUTH || (in.len && p.want == PRELOGIN_READ)) {
		size_t n = in.len < piece ? in.len : piece;

		if (p.want == PRELOGIN_AUTH) {
			answer(&p, &steps);
			continue;
		}
		buf_add(&p.in, in.p, n);
		in.p += n;
		in.len -= n;
		imap_prelogin_input(&p);
		must(p.in.len <= CONFIG_PRELOGIN_LINE_MAX + piece || p.want != PRELOGIN_READ);
		buf_clear(&p.out);
	}
	if (p.want == PRELOGIN_HANDOFF)
		converse(buf_str(&p.tag), buf_str(&p.in), in, piece);
	buf_free(&p.in);
	buf_free(&p.out);
	buf_free(&p.auth);
	buf_free(&p.tag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data + 1, size - 1};
	size_t piece;

	if (!size)
		return 0;
	prepare();
	piece = data[0] > 1 ? data[0] / 2 : 4096;
	if (data[0] & 1)
		converse(STR("a"), STR(""), in, piece);
	else
		from_the_greeting(in, piece);
	return 0;
}
