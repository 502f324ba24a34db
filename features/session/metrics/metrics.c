/* SPDX-License-Identifier: 0BSD */
/* A listener of the mail role's own, opened before the role is confined. */
#include "core/hooks.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/conn.h"
#include "core/lib/log.h"
#include "core/lib/settings.h"
#include "core/server/server.h"
#include "core/session.h"
#include "features/session/metrics/http.h"
#include "features/session/metrics/text.h"

#define CLIENTS_MAX 8
#define CLIENT_MS   5000
#define PLAIN       "text/plain; charset=utf-8"
#define PROMETHEUS  "text/plain; version=0.0.4; charset=utf-8"

struct client {
	struct conn conn;
	struct client *next;
	bool waiting, head; /* for the figures */
};

static char *listen_at;
static int listener = -1;
static struct loop_fd io;
static struct loop_timer resuming;
static struct mail *mail;
static struct client *clients;
static unsigned count;
/* One question to the master at a time answers all who wait. */
static struct mail_figures question;
static bool asked;

static struct client *of_conn(struct conn *c)
{
	return (struct client *)((char *)c - offsetof(struct client, conn));
}

/* ---- answers ---- */

static void answer(struct client *c, const char *status, const char *type, struct str body)
{
	metrics_http_answer(&c->conn.out, c->head, status, type, body);
	conn_send(&c->conn);
	conn_close(&c->conn);
}

static void figures_came(struct mail_figures *w, struct str lines)
{
	struct buf text = {0};

	(void)w;
	asked = false;
	metrics_text(lines, &text);
	for (struct client *c = clients; c; c = c->next) {
		if (!c->waiting)
			continue;
		c->waiting = false;
		if (text.failed)
			answer(c, "503 Service Unavailable", PLAIN, STR("out of memory\n"));
		else
			answer(c, "200 OK", PROMETHEUS, buf_str(&text));
	}
	buf_free(&text);
}

static void answer_health(struct client *c)
{
	if (mail->draining)
		answer(c, "503 Service Unavailable", PLAIN, STR("shutting down\n"));
	else if (store_failed(mail->store))
		answer(c, "503 Service Unavailable", PLAIN, STR("the store takes no changes\n"));
	else if (store_admits(mail->store, 0))
		answer(c, "503 Service Unavailable", PLAIN, STR("the store takes no mail\n"));
	else
		answer(c, "200 OK", PLAIN, STR("ok\n"));
}

static void answer_figures(struct client *c)
{
	c->waiting = true;
	conn_pause(&c->conn, true);
	if (asked)
		return;
	asked = true;
	question.done = figures_came;
	mail->figures(mail, &question);
}

static void serve(struct client *c, const struct metrics_request *r)
{
	c->head = str_eq(r->method, STR("HEAD"));
	if (!c->head && !str_eq(r->method, STR("GET")))
		answer(c, "405 Method Not Allowed\r\nAllow: GET, HEAD", PLAIN, STR("GET or HEAD\n"));
	else if (str_eq(r->path, STR("/metrics")))
		answer_figures(c);
	else if (str_eq(r->path, STR("/healthz")))
		answer_health(c);
	else
		answer(c, "404 Not Found", PLAIN, STR("/metrics or /healthz\n"));
}

/* ---- clients ---- */

static void client_input(struct conn *conn)
{
	struct client *c = of_conn(conn);
	struct metrics_request r;
	int used = c->waiting ? 0 : metrics_http_parse(buf_str(&conn->in), &r);

	if (used > 0) {
		serve(c, &r);
		buf_clear(&conn->in);
	} else if (used < 0) {
		answer(c, "400 Bad Request", PLAIN, STR("no request that is understood here\n"));
	} else if (conn->eof && !c->waiting) {
		conn_close(conn);
	}
}

static void client_timeout(struct conn *conn)
{
	conn_abort(conn);
}

static void client_closed(struct conn *conn)
{
	struct client *c = of_conn(conn), **p = &clients;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	count--;
	conn_free(conn);
	free(c);
}

/* Nothing waits behind a barrier here. */
static void client_lost(struct conn *conn, int error)
{
	(void)error;
	conn_abort(conn);
}

/* Takes fd. */
static void take(int fd)
{
	struct client *c = count < CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		close(fd);
		return;
	}
	c->conn.in_max = METRICS_HEAD_MAX;
	c->conn.timeout_ms = CLIENT_MS;
	c->conn.input = client_input;
	c->conn.closed = client_closed;
	c->conn.timeout = client_timeout;
	c->conn.lost = client_lost;
	if (conn_start(&c->conn, mail->loop, mail->store, fd, STR(""))) {
		free(c);
		return;
	}
	c->next = clients;
	clients = c;
	count++;
}

static void resume(struct loop_timer *t)
{
	(void)t;
	loop_set(mail->loop, &io, EPOLLIN);
}

static void listener_ready(struct loop_fd *f, uint32_t events)
{
	int fd = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0) {
		take(fd);
	} else if (srv_accept_must_wait(errno)) {
		log_warning("no descriptors left, metrics wait for a moment", NULL);
		loop_set(mail->loop, &io, 0);
		loop_timer_start(mail->loop, &resuming, SRV_ACCEPT_PAUSE);
	}
}

/* ---- life ---- */

static int metrics_prepare(const char *data)
{
	struct buf error = {0};

	(void)data;
	if (!*listen_at)
		return 0;
	listener = srv_listen_open(str_from(listen_at), "metrics_listen", &error);
	if (listener < 0)
		log_error(log_str(str_trim(buf_str(&error))), NULL);
	buf_free(&error);
	return listener < 0 ? -1 : 0;
}

static int metrics_start(struct mail *m)
{
	mail = m;
	io = (struct loop_fd){.fd = listener, .ready = listener_ready};
	resuming.fire = resume;
	return listener < 0 ? 0 : loop_add(m->loop, &io, EPOLLIN);
}

static void metrics_stop(struct mail *m)
{
	if (listener < 0)
		return;
	loop_timer_stop(&resuming);
	loop_del(m->loop, &io);
	close(listener);
	listener = -1;
}

/* Whoever can connect can read: nothing that passes a network. */
static void metrics_check(const char *file, struct buf *errors)
{
	struct sockaddr_storage a;
	unsigned len;

	if (!*listen_at)
		return;
	if (srv_address_parse(str_from(listen_at), &a, &len))
		buf_addv(errors, file, ": metrics_listen is not an address with a port or a path: ", listen_at,
			"\n", NULL);
	else if (!srv_address_is_local(&a))
		buf_addv(errors, file, ": metrics_listen must be loopback or a path: ", listen_at, "\n", NULL);
}

static const struct setting settings[] = {
	{"metrics_listen", SETTING_STRING, "", 0, 0, &listen_at,
		"Where figures of the server can be read over HTTP, for Prometheus (/metrics) and for "
		"whoever asks whether it is well (/healthz): one loopback address with a port "
		"(127.0.0.1:9143) or the path of a unix socket. Who can connect can read. Empty: nowhere.",
		"CONFIG_METRICS"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

const struct feature metrics_feature = {
	.name = "metrics",
	.settings = settings,
	.check_settings = metrics_check,
	.mail_prepare = metrics_prepare,
	.mail_start = metrics_start,
	.mail_stop = metrics_stop,
};
