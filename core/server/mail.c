/* SPDX-License-Identifier: 0BSD */
#include "core/server/mail.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/auth/users.h"
#include "core/hooks.h"
#include "core/imap/imap.h"
#include "core/lib/log.h"
#include "core/lmtp/lmtp.h"
#include "core/store/store.h"

#define TICK_MS     60000
#define DRAIN_POLL  20 /* ms */
#define FAILED_MS   2000 /* for last words when the store has failed */
#define ACCOUNT_MAX 1024
#define NAME_MAX_BYTES 1024
#define PEER_MAX    63
#define STORE_DESCRIPTORS 512 /* segments, tables, files of large messages */

/* ---- hand-offs ---- */

/* The last words to a client that cannot have a session; the login is not answered yet. */
static void turn_away(struct handoff *h, const char *why)
{
	struct buf out = {0};
	struct str s;
	ssize_t ignored;

	if (h->service == SRV_IMAP) {
		buf_addstr(&out, buf_str(&h->tag));
		buf_addv(&out, " NO [UNAVAILABLE] ", why, "\r\n* BYE ", why, "\r\n", NULL);
	} else {
		buf_addv(&out, "421 4.3.2 ", why, "\r\n", NULL);
	}
	s = buf_str(&out);
	ignored = send(h->fd, s.p, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)ignored; /* a courtesy */
	buf_free(&out);
}

static int start_session(struct mail_role *r, struct handoff *h, const struct grant *grant)
{
	int fd = h->fd;
	bool tls = h->flags & SRV_TLS;

	if (ENABLE_IMAP && h->service == SRV_IMAP) {
		h->fd = -1;
		return imap_session_start(&r->mail, fd, buf_str(&h->tag), str_from(grant->account),
			grant->mechanism, buf_str(&h->peer), tls, buf_str(&h->unread));
	}
	if (ENABLE_LMTP && h->service == SRV_LMTP) {
		const struct lmtp_login login = {grant ? grant->account : NULL, grant ? grant->mechanism : ""};

		h->fd = -1;
		return lmtp_session_start(&r->mail, fd, buf_str(&h->lhlo), &login, buf_str(&h->peer), tls,
			buf_str(&h->unread));
	}
	errno = EPROTONOSUPPORT;
	return -1;
}

/* Takes h and grant. */
static void let_in(struct mail_role *r, struct handoff *h, struct grant *grant)
{
	if (r->mail.draining)
		turn_away(h, "shutting down");
	else if (r->mail.session_count >= srv_settings.sessions_max)
		turn_away(h, "too many sessions, try again");
	else if (r->start(r, h, grant))
		log_error("cannot start a session", "peer", log_str(buf_str(&h->peer)), "why",
			strerror(errno), NULL);
	handoff_free(&h);
	grant_free(&grant);
}

static void expire_later(struct mail_role *r)
{
	uint64_t due = grants_due(&r->grants), now = loop_now(r->child.loop);

	if (due && !r->expire.due)
		loop_timer_start(r->child.loop, &r->expire, due > now ? due - now : 0);
}

static void expire(struct loop_timer *t)
{
	struct mail_role *r = (struct mail_role *)((char *)t - offsetof(struct mail_role, expire));
	struct handoff *h;

	while ((h = grants_expire(&r->grants, loop_now(r->child.loop))) != NULL) {
		log_warning("hand-off without a grant", "peer", log_str(buf_str(&h->peer)), NULL);
		turn_away(h, "login could not be completed, try again");
		handoff_free(&h);
	}
	expire_later(r);
}

static int read_handoff(struct cursor *c, struct handoff *h)
{
	struct str token, tag, lhlo, peer, unread;

	h->service = cursor_u8(c);
	h->flags = cursor_u8(c);
	token = cursor_take(c, SRV_TOKEN_SIZE);
	tag = cursor_str(c, IPC_PAYLOAD_MAX);
	lhlo = cursor_str(c, NAME_MAX_BYTES);
	peer = cursor_str(c, PEER_MAX);
	unread = cursor_str(c, IPC_PAYLOAD_MAX);
	if (c->failed || !cursor_done(c) || h->flags & ~(SRV_TLS | SRV_SECURE) ||
		(h->service != SRV_IMAP && h->service != SRV_LMTP))
		return -1;
	memcpy(h->token, token.p, SRV_TOKEN_SIZE);
	buf_addstr(&h->tag, tag);
	buf_addstr(&h->lhlo, lhlo);
	buf_addstr(&h->peer, peer);
	buf_addstr(&h->unread, unread);
	return 0;
}

/* A stream socket; and never one that could make this loop wait. */
static int check_socket(int fd)
{
	int type = 0, flags = fcntl(fd, F_GETFL);
	socklen_t len = sizeof(type);

	if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_STREAM)
		return -1;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* LMTP has no login unless the settings ask for one: else who may connect may deliver. */
static bool needs_grant(const struct handoff *h)
{
	static const unsigned char zeros[SRV_TOKEN_SIZE];

	return h->service == SRV_IMAP || memcmp(h->token, zeros, sizeof(zeros)) != 0 ||
		(ENABLE_LMTP_AUTH && strcmp(srv_settings.lmtp_auth, "yes") == 0);
}

/* Takes fd. */
static int take_handoff(struct mail_role *r, struct cursor payload, int fd)
{
	struct handoff *h = calloc(1, sizeof(*h));
	struct grant *grant;

	if (!h) {
		close(fd);
		return 0;
	}
	h->fd = fd;
	if (read_handoff(&payload, h) || check_socket(fd)) {
		handoff_free(&h);
		return -1;
	}
	if (h->tag.failed || h->lhlo.failed || h->peer.failed || h->unread.failed) {
		handoff_free(&h);
		return 0;
	}
	grant = grants_take(&r->grants, loop_now(r->child.loop), h->token, h->service);
	if (grant || !needs_grant(h)) {
		let_in(r, h, grant);
	} else if (grants_park(&r->grants, loop_now(r->child.loop), h)) {
		turn_away(h, "too busy, try again");
		handoff_free(&h);
	}
	expire_later(r);
	return 0;
}

static int take_grant(struct mail_role *r, struct cursor payload)
{
	struct str token = cursor_take(&payload, SRV_TOKEN_SIZE);
	uint8_t service = cursor_u8(&payload);
	struct str account = cursor_str(&payload, ACCOUNT_MAX);
	struct str mechanism = cursor_str(&payload, 64);
	const unsigned char *t = (const unsigned char *)token.p;
	struct handoff *h;
	struct grant *grant;

	if (payload.failed || !cursor_done(&payload) || account.len == 0 ||
		(service != SRV_IMAP && service != SRV_LMTP) ||
		memchr(account.p, '\0', account.len))
		return -1;
	if (grants_add(&r->grants, loop_now(r->child.loop), t, service, account, mechanism)) {
		if (errno == EEXIST)
			return -1;
		log_warning("grant dropped", "why", strerror(errno), NULL);
		return 0;
	}
	h = grants_unpark(&r->grants, t);
	if (h) {
		grant = grants_take(&r->grants, loop_now(r->child.loop), t, h->service);
		if (grant) {
			let_in(r, h, grant);
		} else {
			turn_away(h, "login could not be completed, try again");
			handoff_free(&h);
		}
	}
	expire_later(r);
	return 0;
}

static int mail_message(struct srv_child *child, enum srv_role from, uint16_t type,
	struct cursor payload, int fd)
{
	struct mail_role *r = (struct mail_role *)child;

	if (from == SRV_GATE && type == SRV_HANDOFF && fd >= 0)
		return take_handoff(r, payload, fd);
	if (fd >= 0)
		close(fd);
	else if (from == SRV_AUTH && type == SRV_GRANT)
		return take_grant(r, payload);
	return -1;
}

static void mail_peer_down(struct srv_child *child, enum srv_role role)
{
	(void)child;
	(void)role; /* sessions need neither gate nor auth */
}

/* ---- control ---- */

static void add_stat(struct mail *m, struct buf *out)
{
	buf_adds(out, "sessions ");
	buf_addu(out, m->session_count);
	buf_addc(out, '\n');
	session_stat(m, out);
	store_stat(m->store, out);
	FEATURE_EACH (f) {
		if (f->metrics)
			f->metrics(m, out);
	}
}

static struct mail_role *of_mail(struct mail *m)
{
	return (struct mail_role *)((char *)m - offsetof(struct mail_role, mail));
}

static void take_figures(struct srv_child *child, struct str lines)
{
	struct mail_role *r = (struct mail_role *)child;
	struct mail_figures *w = r->asking, *next;
	struct buf all = {0};

	r->asking = NULL;
	buf_addstr(&all, lines);
	add_stat(&r->mail, &all);
	for (; w; w = next) {
		next = w->next;
		w->done(w, buf_str(&all));
	}
	buf_free(&all);
}

/* One answer is for all who wait. */
static void ask_figures(struct mail *m, struct mail_figures *w)
{
	struct mail_role *r = of_mail(m);
	const struct buf nothing = {0};

	w->next = r->asking;
	r->asking = w;
	if (!w->next && srv_child_send(&r->child, SRV_MASTER, SRV_FIGURES_ASK, &nothing, -1))
		take_figures(&r->child, STR(""));
}

/* A request that is answered when the checkpoint is there. */
struct checkpoint_request {
	struct store_waiter w;
	struct srv_child *child;
	uint64_t id;
};

static void checkpoint_done(struct store_waiter *w, int error)
{
	struct checkpoint_request *r = (struct checkpoint_request *)(void *)w;
	struct buf out = {0};

	if (error)
		buf_addv(&out, "checkpoint: ", strerror(error), "\n", NULL);
	else
		buf_adds(&out, "checkpoint written\n");
	srv_control_reply(r->child, r->id, !error, buf_str(&out));
	buf_free(&out);
	free(r);
}

static void run_checkpoint(struct mail_role *role, uint64_t request)
{
	struct checkpoint_request *r = calloc(1, sizeof(*r));

	if (!r) {
		srv_control_reply(&role->child, request, false, STR("checkpoint: out of memory\n"));
		return;
	}
	r->w.done = checkpoint_done;
	r->child = &role->child;
	r->id = request;
	store_checkpoint_wait(role->mail.store, &r->w);
}

static int run_feature(struct mail *m, struct str name, struct str args, struct buf *out)
{
	FEATURE_EACH (f) {
		for (const struct control_command *c = f->control; c && c->name; c++) {
			if (str_eq(name, str_from(c->name)))
				return c->run(m, args, out) ? -1 : 1;
		}
	}
	return 0;
}

static void mail_control(struct srv_child *child, uint64_t request, struct str line)
{
	struct mail_role *r = (struct mail_role *)child;
	struct buf out = {0};
	struct str name;
	int rc;

	str_word(&line, " ", &name);
	if (str_eq(name, STR("checkpoint"))) {
		run_checkpoint(r, request);
		return;
	}
	if (str_eq(name, STR("stat"))) {
		add_stat(&r->mail, &out);
		rc = 1;
	} else {
		rc = run_feature(&r->mail, name, str_trim(line), &out);
	}
	if (rc == 0) {
		buf_addstr(&out, name);
		buf_adds(&out, ": no such request in this binary\n");
	}
	srv_control_reply(child, request, rc > 0, buf_str(&out));
	buf_free(&out);
}

/* ---- life ---- */

static void drain_step(struct loop_timer *t)
{
	struct mail_role *r = (struct mail_role *)((char *)t - offsetof(struct mail_role, drained));

	if (!r->mail.sessions || loop_now(r->child.loop) >= r->drain_until)
		loop_stop(r->child.loop);
	else
		loop_timer_start(r->child.loop, t, DRAIN_POLL);
}

static void end_all(struct mail_role *r, const char *why, uint64_t within_ms)
{
	struct session *s, *next;
	struct handoff *h;

	if (r->mail.draining)
		return;
	r->mail.draining = true;
	while ((h = grants_expire(&r->grants, UINT64_MAX)) != NULL) {
		turn_away(h, why);
		handoff_free(&h);
	}
	for (s = r->mail.sessions; s; s = next) {
		next = s->next;
		s->end(s, why);
	}
	r->drain_until = loop_now(r->child.loop) + within_ms;
	loop_timer_start(r->child.loop, &r->drained, 0);
}

static void mail_drain(struct srv_child *child)
{
	end_all((struct mail_role *)child, "server is shutting down", srv_settings.drain_seconds * 1000);
}

/* Memory is ahead of the disk: this process ends, and the next one has what is durable. */
static void store_has_failed(void *arg, int error)
{
	struct mail_role *r = arg;

	r->status = error == EIO ? SRV_STORE_FAILED : SRV_STORE_UNDONE;
	end_all(r, "mail store failed, connect again", FAILED_MS);
}

static void tick(struct loop_timer *t)
{
	struct mail_role *r = (struct mail_role *)((char *)t - offsetof(struct mail_role, tick));

	FEATURE_EACH (f) {
		if (f->tick)
			f->tick(&r->mail);
	}
	loop_timer_start(r->child.loop, t, TICK_MS);
}

static const struct srv_child_ops mail_ops = {
	.message = mail_message,
	.peer_down = mail_peer_down,
	.drain = mail_drain,
	.figures = take_figures,
	.control = mail_control,
};

static int account_lookup(struct mail *m, struct str name, struct buf *words)
{
	struct mail_role *r = of_mail(m);

	return r->accounts ? accounts_words(r->accounts, name, words) : -1;
}

void mail_role_init(struct mail_role *r, struct loop *l)
{
	*r = (struct mail_role){0};
	srv_child_init(&r->child, l, SRV_MAIL, &mail_ops);
	grants_init(&r->grants);
	r->mail.loop = l;
	r->mail.hostname = srv_hostname();
	r->mail.account_lookup = account_lookup;
	r->mail.figures = ask_figures;
	r->expire.fire = expire;
	r->tick.fire = tick;
	r->drained.fire = drain_step;
	r->start = start_session;
}

void mail_role_free(struct mail_role *r)
{
	loop_timer_stop(&r->expire);
	loop_timer_stop(&r->tick);
	loop_timer_stop(&r->drained);
	grants_free(&r->grants);
	srv_child_close(&r->child);
	accounts_close(&r->accounts);
}

static void prepare_features(void)
{
	FEATURE_EACH (f) {
		if (f->mail_prepare && f->mail_prepare(srv_settings.data))
			die("a feature cannot start", "feature", f->name, NULL);
	}
}

static void start_features(struct mail *m)
{
	errno = 0;
	FEATURE_EACH (f) {
		if (f->mail_start && f->mail_start(m))
			die("a feature cannot start", "feature", f->name, NULL);
	}
}

static void stop_features(struct mail *m)
{
	FEATURE_EACH (f) {
		if (f->mail_stop)
			f->mail_stop(m);
	}
}

static void open_store(struct mail_role *r, bool after_failure)
{
	/* The present directory: by its own name it may not be reachable any more. */
	struct store_options options = {.dir = ".",
		.checkpoint_interval = srv_settings.checkpoint_interval,
		.after_failure = after_failure, .failed = store_has_failed, .failed_arg = r,
		.body_budget = (uint64_t)CONFIG_MEMORY_BODIES_MB << 20};
	struct buf error = {0};
	struct str why;

	r->mail.store = store_open(r->child.loop, &options, &error);
	if (r->mail.store)
		return;
	why = str_trim(buf_str(&error));
	errno = 0;
	die(log_str(why), "spool", srv_settings.data, NULL);
}

int srv_mail_run(int channel, int data_fd, int master_pid, bool after_failure)
{
	struct loop *l = loop_new();
	struct mail_role *r = calloc(1, sizeof(*r));
	int rc;

	if (!l || !r)
		die("no memory", NULL);
	mail_role_init(r, l);
	if (srv_child_connect(&r->child, SRV_MASTER, channel))
		die("cannot start mail", NULL);
	prepare_features();
	srv_confine(SRV_MAIL, data_fd, data_fd, master_pid);
	srv_settings.sessions_max =
		srv_fit_descriptors("sessions_max", srv_settings.sessions_max, STORE_DESCRIPTORS);
	open_store(r, after_failure);
	r->accounts = accounts_open(data_fd);
	if (!r->accounts)
		log_warning("accounts.cdb cannot be read: recipients are answered 451", NULL);
	start_features(&r->mail);
	loop_timer_start(l, &r->tick, TICK_MS);
	srv_child_ready(&r->child);
	rc = loop_run(l) ? 1 : r->status;
	if (r->mail.sessions)
		log_warning("sessions were cut off", "count", log_num(r->mail.session_count), NULL);
	stop_features(&r->mail);
	store_close(&r->mail.store);
	if (r->mail.sessions) /* they still own memory of the store */
		_exit(rc);
	mail_role_free(r);
	free(r);
	loop_free(&l);
	return rc;
}
