/* SPDX-License-Identifier: 0BSD */
/*
 * LMTP from the first byte a stranger sends: the gate's part, then a session over a socket, with a
 * store that only looks at what it is given.  The first byte chooses: even, the conversation in
 * pieces of its value; odd, the text after DATA alone, whole against bytewise.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lib/log.h"
#include "core/lmtp/data.h"
#include "core/lmtp/lmtp.h"
#include "core/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Those that change what a conversation is, where they are compiled in. */
#if ENABLE_LMTP_CHUNKING
extern const struct feature lmtp_chunking_feature;
#define CHUNKING &lmtp_chunking_feature,
#else
#define CHUNKING
#endif
#if ENABLE_LMTP_SMTPUTF8
extern const struct feature lmtp_smtputf8_feature;
#define SMTPUTF8 &lmtp_smtputf8_feature,
#else
#define SMTPUTF8
#endif
const struct feature *const features[] = {CHUNKING SMTPUTF8 NULL};
const size_t feature_count = sizeof(features) / sizeof(*features) - 1;

#define SLOTS 64

size_t feature_slots_size(void)
{
	return SLOTS;
}

void *feature_slot(const struct session *s, const struct feature *f)
{
	if (f->session_size > SLOTS)
		abort();
	return s->slots;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* ---- a store that only looks ---- */

struct body {
	struct buf text;
	struct mime_summary summary;
	bool finished;
};

static int account, mailbox, bodies;
static bool chunked; /* the text may come by BDAT, and end as it likes */

int store_admits(const struct store *s, uint64_t bytes)
{
	(void)s;
	(void)bytes;
	return 0;
}

void store_begin(struct store *s)
{
	(void)s;
}

void store_end(struct store *s)
{
	(void)s;
}

uint64_t store_durable(const struct store *s)
{
	(void)s;
	return 1;
}

void store_wait(struct store *s, struct store_waiter *w, uint64_t lsn)
{
	(void)s;
	(void)w;
	(void)lsn;
	abort();
}

void store_wait_cancel(struct store_waiter *w)
{
	(void)w;
	abort();
}

struct body *body_new(struct store *s)
{
	struct body *b = calloc(1, sizeof(*b));

	(void)s;
	must(b != NULL);
	bodies++;
	return b;
}

struct buf *body_buf(struct body *b)
{
	return &b->text;
}

int body_finish(struct body *b)
{
	struct str text = buf_str(&b->text);

	must(!b->finished);
	b->finished = true;
	must(!text.len || chunked || (text.len >= 2 && !memcmp(text.p + text.len - 2, "\r\n", 2)));
	for (size_t i = 0; i < text.len; i++)
		must(text.p[i] && (text.p[i] != '\n' || (i && text.p[i - 1] == '\r')));
	return 0;
}

void body_expect(struct body *b, uint64_t bytes)
{
	(void)b;
	(void)bytes;
}

int body_added(struct body *b)
{
	return b->text.failed ? -1 : 0;
}

bool body_full(const struct body *b)
{
	(void)b;
	return false;
}

void body_notify(struct body *b, void (*ready)(void *arg), void *arg)
{
	(void)b;
	(void)ready;
	(void)arg;
}

struct str body_header(const struct body *b)
{
	return (struct str){buf_str(&b->text).p, b->summary.header_len};
}

struct str body_bytes(const struct body *b)
{
	return buf_str(&b->text);
}

uint64_t body_size(const struct body *b)
{
	return b->text.len;
}

const struct mime_summary *body_summary(const struct body *b)
{
	must(b->finished);
	return &b->summary;
}

void body_free(struct body **b)
{
	if (!*b)
		return;
	buf_free(&(*b)->text);
	free(*b);
	*b = NULL;
	bodies--;
}

int account_open(struct store *s, struct str name, bool create, struct account **a_r)
{
	(void)s;
	must(create && name.len);
	*a_r = (struct account *)&account;
	return 1;
}

struct mailbox *mailbox_find(const struct account *a, struct str name)
{
	(void)a;
	must(name.len != 0);
	return (struct mailbox *)&mailbox;
}

bool mailbox_exists(const struct mailbox *m)
{
	(void)m;
	return true;
}

int mailbox_append(struct mailbox *m, const struct message_new *v, unsigned n, uint32_t *first_uid_r,
	uint64_t *lsn_r)
{
	struct str p = v->prefix;
	unsigned lines = 0;

	(void)m;
	must(n == 1 && v->body->finished);
	/* Return-Path, Delivered-To, Received of three lines: nobody smuggles a field in. */
	for (size_t i = 0; i < p.len; i++) {
		must(p.p[i] && (p.p[i] != '\r' || (i + 1 < p.len && p.p[i + 1] == '\n')));
		lines += p.p[i] == '\n';
	}
	must(lines == 5 && p.p[p.len - 1] == '\n');
	*first_uid_r = 1;
	*lsn_r = 1;
	return 0;
}

/* ---- the conversation ---- */

static int lookup(struct mail *m, struct str name, struct buf *words)
{
	(void)m;
	(void)words;
	must(name.len != 0);
	return name.p[0] == 'n' ? 0 : name.p[0] == 'e' ? -1 : 1;
}

static void drain(int fd)
{
	char waste[65536];

	while (recv(fd, waste, sizeof(waste), MSG_DONTWAIT) > 0)
		;
}

static void converse(struct loop *l, struct prelogin *p, const struct lmtp_login *login, struct str rest,
	size_t piece)
{
	struct mail mail = {.loop = l, .hostname = "mx", .account_lookup = lookup};
	int fd[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd));
	must(!lmtp_session_start(&mail, fd[0], buf_str(&p->lhlo), login, STR("::1"), false,
		buf_str(&p->in)));
	while (rest.len && mail.sessions) {
		size_t n = rest.len < piece ? rest.len : piece;
		ssize_t done = send(fd[1], rest.p, n, MSG_NOSIGNAL);

		if (done > 0) {
			rest.p += done;
			rest.len -= (size_t)done;
		}
		loop_turn(l, 0);
		drain(fd[1]);
	}
	close(fd[1]);
	for (int i = 0; i < 100 && mail.sessions; i++)
		loop_turn(l, 0);
	must(!mail.sessions && !bodies);
}

/* Auth says yes, no or go on, as the input's next byte has it. */
static void answer(struct prelogin *p, struct str *in, struct lmtp_login *login)
{
	uint8_t status = in->len ? (uint8_t)in->p[0] % (PRELOGIN_AUTH_LAST + 1) : PRELOGIN_AUTH_FAILED;

	must(p->auth.len > 0);
	buf_clear(&p->auth);
	in->p += in->len > 0;
	in->len -= in->len > 0;
	if (status == PRELOGIN_AUTH_OK)
		*login = (struct lmtp_login){"mta", "PLAIN"};
	lmtp_prelogin_auth(p, status, STR("why\x01"));
}

static void connect_and_talk(struct str in, size_t piece)
{
	static struct loop *l;
	struct prelogin p = {.hostname = "mx", .may_login = piece & 2, .must_login = piece & 4, .secure = true};
	struct lmtp_login login = {0};

	if (!l) {
		log_init("fuzz", 0, false);
		l = loop_new();
	}
	lmtp_prelogin_greet(&p);
	while (in.len && p.want == PRELOGIN_READ) {
		size_t n = in.len < piece ? in.len : piece;

		buf_add(&p.in, in.p, n);
		in.p += n;
		in.len -= n;
		lmtp_prelogin_input(&p);
		while (p.want == PRELOGIN_AUTH)
			answer(&p, &in, &login);
		must(p.in.len <= CONFIG_PRELOGIN_LINE_MAX + piece);
	}
	must(p.want != PRELOGIN_HANDOFF || !p.must_login || login.account);
	if (p.want == PRELOGIN_HANDOFF)
		converse(l, &p, &login, in, piece);
	buf_free(&p.auth);
	buf_free(&p.in);
	buf_free(&p.out);
	buf_free(&p.lhlo);
}

static void compare_text(struct str in)
{
	bool raw = in.len & 1;
	struct lmtp_data whole = {.raw = raw}, bytewise = {.raw = raw};
	struct buf a = {0}, b = {0};
	size_t n = lmtp_data_feed(&whole, in, &a), at = 0;

	while (at < in.len && !bytewise.done)
		at += lmtp_data_feed(&bytewise, (struct str){in.p + at, 1}, &b);
	must(n == at && whole.done == bytewise.done && whole.nul == bytewise.nul);
	must(!raw || (n == in.len && !whole.done && whole.size >= n));
	must(whole.size == bytewise.size && str_eq(buf_str(&a), buf_str(&b)));
	buf_free(&a);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data + 1, size - 1};

	if (!size)
		return 0;
	chunked = memmem(data, size, "DAT ", 4) || memmem(data, size, "dat ", 4);
	if (data[0] & 1)
		compare_text(in);
	else
		connect_and_talk(in, data[0] ? data[0] : 4096);
	return 0;
}
