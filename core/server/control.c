/* SPDX-License-Identifier: 0BSD */
/*
 * control.sock: one request line in, "ok" or "error" on a line of its own, the answer's text, end.
 * Only root and the master's own user are served.
 */
#include "core/server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/lib/file.h"
#include "core/lib/log.h"

#define CLIENTS_MAX 16
#define LINE_BYTES  4096
#define CLIENT_MS   60000
#define ANSWER_MAX  (64 * 1024 * 1024)
#define NAME_WIDTH  28
#define SOCKET_NAME "control.sock"

struct control_client {
	struct loop_fd io;
	struct loop_timer timer;
	struct srv_control *control;
	struct control_client *next;
	uint64_t request;
	struct buf in, out;
	bool asked, answered, last;
};

struct srv_control {
	struct loop_fd io;
	struct loop *loop;
	struct control_client *clients;
	unsigned count;
	uint64_t requests;
	srv_control_request *serve;
	void *arg;
	char *path;
};

static void client_drop(struct control_client *c)
{
	struct control_client **p = &c->control->clients;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->control->count--;
	loop_del(c->control->loop, &c->io);
	close(c->io.fd);
	loop_timer_stop(&c->timer);
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
}

static void client_late(struct loop_timer *t)
{
	client_drop((struct control_client *)((char *)t - offsetof(struct control_client, timer)));
}

/* c may be gone afterwards. */
static void client_flush(struct control_client *c)
{
	while (c->out.len) {
		struct str s = buf_str(&c->out);
		ssize_t n = send(c->io.fd, s.p, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			loop_set(c->control->loop, &c->io, EPOLLOUT);
			return;
		}
		if (n < 0 && errno != EINTR) {
			client_drop(c);
			return;
		}
		if (n > 0)
			buf_consume(&c->out, (size_t)n);
	}
	loop_set(c->control->loop, &c->io, 0);
	if (c->last || c->out.failed)
		client_drop(c);
}

static void client_read(struct control_client *c)
{
	char *to = buf_reserve(&c->in, 512);
	ssize_t n = to ? recv(c->io.fd, to, 512, MSG_DONTWAIT) : -1;
	struct cursor line;
	struct str text;
	bool ended;

	if (n < 0 && to && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_drop(c);
		return;
	}
	buf_commit(&c->in, (size_t)n);
	line = cursor_from(buf_str(&c->in));
	text = str_trim(cursor_take_line(&line, &ended));
	if (!ended)
		return;
	c->asked = true;
	loop_timer_stop(&c->timer); /* a checkpoint of a large spool takes its time */
	loop_set(c->control->loop, &c->io, 0);
	c->control->serve(c->control->arg, c->request, text);
}

static void client_ready(struct loop_fd *io, uint32_t events)
{
	struct control_client *c =
		(struct control_client *)((char *)io - offsetof(struct control_client, io));

	if (!c->asked && events & EPOLLIN)
		client_read(c);
	else if (events & EPOLLOUT)
		client_flush(c);
	else if (events & (EPOLLHUP | EPOLLERR))
		client_drop(c);
}

/* The file's mode keeps others out; this keeps them out where modes are not obeyed. */
static bool is_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}

static void accept_ready(struct loop_fd *io, uint32_t events)
{
	struct srv_control *control = (struct srv_control *)((char *)io - offsetof(struct srv_control, io));
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct control_client *c;

	(void)events;
	if (fd < 0)
		return;
	c = control->count < CLIENTS_MAX && is_allowed(fd) ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	c->io = (struct loop_fd){.fd = fd, .ready = client_ready};
	c->timer.fire = client_late;
	c->control = control;
	c->request = ++control->requests;
	c->in.max = LINE_BYTES;
	c->out.max = ANSWER_MAX;
	if (loop_add(control->loop, &c->io, EPOLLIN)) {
		close(fd);
		free(c);
		return;
	}
	c->next = control->clients;
	control->clients = c;
	control->count++;
	loop_timer_start(control->loop, &c->timer, CLIENT_MS);
}

void srv_control_answer(struct srv_control *control, uint64_t request, bool ok, bool last,
	struct str text)
{
	struct control_client *c = control->clients;

	while (c && c->request != request)
		c = c->next;
	if (!c || !c->asked || c->last)
		return; /* it hung up meanwhile */
	if (!c->answered)
		buf_adds(&c->out, ok ? "ok\n" : "error\n");
	c->answered = true;
	loop_timer_start(control->loop, &c->timer, CLIENT_MS);
	c->last = last;
	buf_addstr(&c->out, text);
	client_flush(c);
}

/* A socket below a directory with a name of any length: sun_path has room for 107 bytes. */
static int at_socket(int fd, const char *data, int (*call)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = SOCKET_NAME};
	int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), rc = -1, saved;

	if (here < 0)
		return -1;
	if (chdir(data) == 0)
		rc = call(fd, (struct sockaddr *)&a, sizeof(a));
	saved = errno;
	if (fchdir(here))
		die("cannot return to the directory it was started in", NULL);
	close(here);
	errno = saved;
	return rc;
}

static int listen_at(const char *data)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int rc, saved;

	if (fd < 0)
		return -1;
	mask = umask(0177);
	rc = at_socket(fd, data, bind);
	umask(mask);
	if (rc == 0 && listen(fd, CLIENTS_MAX) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static bool is_answered(const char *data)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answered = fd >= 0 && at_socket(fd, data, connect) == 0;

	if (fd >= 0)
		close(fd);
	return answered;
}

struct srv_control *srv_control_new(struct loop *l, const char *data, srv_control_request *serve,
	void *arg, struct buf *error_r)
{
	struct srv_control *c = calloc(1, sizeof(*c));
	struct buf path = {0};

	if (!c)
		return NULL;
	buf_addv(&path, data, "/" SOCKET_NAME, NULL);
	buf_addc(&path, '\0');
	c->path = path.data;
	if (is_answered(data)) {
		buf_addv(error_r, c->path, ": in use: a server is running on this spool\n", NULL);
		goto free_control;
	}
	unlink(c->path); /* left by a crash */
	c->io = (struct loop_fd){.fd = listen_at(data), .ready = accept_ready};
	c->loop = l;
	c->serve = serve;
	c->arg = arg;
	if (c->io.fd >= 0 && loop_add(l, &c->io, EPOLLIN) == 0)
		return c;
	buf_addv(error_r, c->path, ": ", strerror(errno), "\n", NULL);
	if (c->io.fd >= 0)
		close(c->io.fd);
free_control:
	free(c->path);
	free(c);
	return NULL;
}

void srv_control_free(struct srv_control **control)
{
	struct srv_control *c = *control;

	if (!c)
		return;
	while (c->clients)
		client_drop(c->clients);
	loop_del(c->loop, &c->io);
	close(c->io.fd);
	unlink(c->path);
	free(c->path);
	free(c);
	*control = NULL;
}

/* ---- the other side ---- */

static int ask(int fd, int argc, char **argv)
{
	struct buf line = {0};
	int rc;

	for (int i = 0; i < argc; i++) {
		buf_adds(&line, i ? " " : "");
		buf_adds(&line, argv[i]);
	}
	buf_addc(&line, '\n');
	rc = file_write_all(fd, buf_str(&line));
	buf_free(&line);
	return rc;
}

/* "name value" lines for people: the values below each other. */
static void align(struct str text, struct buf *out)
{
	struct cursor c = cursor_from(text);
	struct str line, name;
	bool ended;

	while (!cursor_done(&c)) {
		line = cursor_take_line(&c, &ended);
		str_word(&line, " ", &name);
		buf_addstr(out, name);
		for (size_t i = name.len; i < NAME_WIDTH; i++)
			buf_addc(out, ' ');
		buf_addc(out, ' ');
		buf_addstr(out, str_trim(line));
		buf_addc(out, '\n');
	}
}

static int print_answer(int fd, bool figures)
{
	struct buf in = {.max = ANSWER_MAX}, out = {0};
	struct cursor c;
	struct str status;
	bool ended, ok;
	ssize_t n = 1;

	while (n > 0) {
		char *to = buf_reserve(&in, 65536);

		n = to ? read(fd, to, 65536) : -1;
		if (n > 0)
			buf_commit(&in, (size_t)n);
	}
	c = cursor_from(buf_str(&in));
	status = cursor_take_line(&c, &ended);
	ok = str_eq(status, STR("ok"));
	if (!ok && !str_eq(status, STR("error")))
		die("the server gave no answer", NULL);
	if (ok && figures && isatty(STDOUT_FILENO))
		align((struct str){c.p, cursor_left(&c)}, &out);
	else
		buf_addstr(&out, (struct str){c.p, cursor_left(&c)});
	file_write_all(ok ? STDOUT_FILENO : STDERR_FILENO, buf_str(&out));
	buf_free(&out);
	buf_free(&in);
	return ok ? 0 : 1;
}

int srv_control_call(const char *data, int argc, char **argv)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0 || at_socket(fd, data, connect))
		die("no server runs on this spool", "data", data, NULL);
	if (ask(fd, argc, argv))
		die("the server does not listen", NULL);
	rc = print_answer(fd, !strcmp(argv[0], "stat"));
	close(fd);
	return rc;
}
