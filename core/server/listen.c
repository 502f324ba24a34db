/* SPDX-License-Identifier: 0BSD */
#include "core/server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/lib/vec.h"
#include "core/server/transport.h"

#define FIRST_INHERITED 3 /* sd_listen_fds(3) */

/* A setting that names listeners, and what they are for. */
struct place {
	enum srv_service service;
	bool encrypted;
	const char *key, *names;
};

static int add(struct srv_listeners *l, int fd, const struct place *place, struct str name)
{
	struct srv_listener one = {.fd = fd,
		.service = place->service,
		.encrypted = place->encrypted,
		.name = strndup(name.p, name.len)};

	if (one.name && l->n < SRV_LISTENERS_MAX && vec_push(l, one) == 0)
		return 0;
	free(one.name);
	close(fd);
	errno = ENOMEM;
	return -1;
}

static const struct srv_listener *find(const struct srv_listeners *l, const struct place *place,
	struct str name)
{
	for (size_t i = 0; l && i < l->n; i++) {
		if (l->v[i].service == place->service && l->v[i].encrypted == place->encrypted &&
			str_eq(str_from(l->v[i].name), name))
			return &l->v[i];
	}
	return NULL;
}

/* Nobody answers on the socket file: it was left by a crash. */
static bool is_stale(const struct sockaddr_storage *a, unsigned len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)a, len) && errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return stale;
}

static int bind_address(int fd, const struct sockaddr_storage *a, unsigned len)
{
	const char *path = ((const struct sockaddr_un *)a)->sun_path;
	int one = 1, zero = 0;

	if (a->ss_family == AF_UNIX) {
		if (bind(fd, (const struct sockaddr *)a, len)) {
			if (errno != EADDRINUSE)
				return -1;
			if (!is_stale(a, len)) {
				errno = EADDRINUSE;
				return -1;
			}
			if (unlink(path) || bind(fd, (const struct sockaddr *)a, len))
				return -1;
		}
		/* As with a port: who may deliver is said by the directory's mode. */
		return chmod(path, 0666);
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->ss_family == AF_INET6) {
		const struct in6_addr *in = &((const struct sockaddr_in6 *)a)->sin6_addr;

		/* "*" means both families; every other IPv6 address means itself. */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, IN6_IS_ADDR_UNSPECIFIED(in) ? &zero : &one,
			sizeof(one));
	}
	return bind(fd, (const struct sockaddr *)a, len);
}

static int open_listener(struct str name)
{
	struct sockaddr_storage a;
	unsigned len;
	int fd, saved;

	if (srv_address_parse(name, &a, &len))
		return -1;
	fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 && errno == EAFNOSUPPORT && a.ss_family == AF_INET6 &&
		IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)&a)->sin6_addr)) {
		/* A kernel without IPv6: "*" is all of IPv4. */
		struct sockaddr_in in = {.sin_family = AF_INET,
			.sin_port = ((struct sockaddr_in6 *)&a)->sin6_port};

		memcpy(&a, &in, sizeof(in));
		len = sizeof(in);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	if (fd < 0)
		return -1;
	if (bind_address(fd, &a, len) == 0 && listen(fd, (int)srv_settings.listen_backlog) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static const char *reason(int error)
{
	switch (error) {
	case EINVAL:
		return "not an address: expected 127.0.0.1:143, [::1]:143, *:143 or a path";
	case EADDRINUSE:
		return "address in use";
	case EACCES:
		return "no permission (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
	case EADDRNOTAVAIL:
		return "this machine has no such address";
	case ENAMETOOLONG:
		return "the path of a unix socket has at most 107 bytes";
	default:
		return strerror(error);
	}
}

static void explain(struct str name, const char *key, struct buf *error_r)
{
	buf_addstr(error_r, name);
	buf_addv(error_r, ": ", reason(errno), "; choose another with ", key, "\n", NULL);
}

bool srv_accept_must_wait(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

int srv_listen_open(struct str name, const char *key, struct buf *error_r)
{
	int fd = open_listener(name);

	if (fd < 0)
		explain(name, key, error_r);
	return fd;
}

static int listen_all(struct srv_listeners *l, const struct srv_listeners *old,
	const struct place *place, struct buf *error_r)
{
	struct str rest = str_from(place->names), name;

	while (str_word(&rest, " \t,", &name)) {
		const struct srv_listener *same = find(old, place, name);
		int fd;

		if (find(l, place, name))
			continue;
		fd = same ? fcntl(same->fd, F_DUPFD_CLOEXEC, 0) : open_listener(name);
		if (fd >= 0 && same) /* the backlog may have changed */
			listen(fd, (int)srv_settings.listen_backlog);
		if (fd >= 0 && add(l, fd, place, name) == 0)
			continue;
		explain(name, place->key, error_r);
		return -1;
	}
	return 0;
}

/* Named by LISTEN_FDNAMES ("imap:imaps:lmtp:lmtps"); names of socket units may go on after the service's. */
static int take_inherited(struct srv_listeners *l, uint64_t count)
{
	const char *env = getenv("LISTEN_FDNAMES");
	struct str rest = str_from(env ? env : ""), name;

	for (uint64_t i = 0; i < count; i++) {
		int fd = (int)(FIRST_INHERITED + i);
		struct place place = {.service = SRV_IMAP};

		if (!str_word(&rest, ":", &name))
			name = STR("imap");
		if (str_istarts(name, STR("lmtp")))
			place.service = SRV_LMTP;
		place.encrypted = srv_transport() && name.len > 4 && (name.p[4] | 32) == 's';
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		if (add(l, fd, &place, name))
			return -1;
		l->v[l->n - 1].inherited = true;
	}
	return 0;
}

static uint64_t inherited_count(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t for_pid, count;

	if (!pid || !fds || str_u64(str_from(pid), UINT32_MAX, &for_pid) ||
		str_u64(str_from(fds), SRV_LISTENERS_MAX, &count) || for_pid != (uint64_t)getpid())
		return 0;
	return count;
}

static struct place place_of(const struct srv_listener *l)
{
	return (struct place){.service = l->service, .encrypted = l->encrypted};
}

static int copy_inherited(struct srv_listeners *l, const struct srv_listeners *old)
{
	for (size_t i = 0; i < old->n; i++) {
		int fd = fcntl(old->v[i].fd, F_DUPFD_CLOEXEC, 0);
		struct place place = place_of(&old->v[i]);

		if (fd < 0 || add(l, fd, &place, str_from(old->v[i].name)))
			return -1;
		l->v[l->n - 1].inherited = true;
	}
	return 0;
}

static int listen_by_settings(struct srv_listeners *l, const struct srv_listeners *old,
	struct buf *error_r)
{
	const struct transport *tr = srv_transport();
	const struct transport_listen *t = tr ? tr->listen : NULL;
	struct place imap = {SRV_IMAP, false, "imap_listen", srv_settings.imap_listen};
	struct place lmtp = {SRV_LMTP, false, "lmtp_listen", srv_settings.lmtp_listen};

	if (ENABLE_IMAP && listen_all(l, old, &imap, error_r))
		return -1;
	if (ENABLE_LMTP && listen_all(l, old, &lmtp, error_r))
		return -1;
	for (; t && t->key; t++) {
		struct place place = {t->service, true, t->key, *t->names};

		if (listen_all(l, old, &place, error_r))
			return -1;
	}
	srv_listen_check_backlog();
	return 0;
}

int srv_listen(struct srv_listeners *l, const struct srv_listeners *old, struct buf *error_r)
{
	uint64_t inherited = old ? 0 : inherited_count();
	int rc;

	*l = (struct srv_listeners){0};
	if (old && old->n && old->v[0].inherited)
		rc = copy_inherited(l, old);
	else if (inherited)
		rc = take_inherited(l, inherited);
	else
		rc = listen_by_settings(l, old, error_r);
	if (rc == 0)
		return 0;
	if (!error_r->len)
		buf_addv(error_r, "listeners: ", strerror(errno), "\n", NULL);
	srv_listeners_close(l, old);
	return -1;
}

void srv_listeners_close(struct srv_listeners *l, const struct srv_listeners *keep)
{
	for (size_t i = 0; i < l->n; i++) {
		struct srv_listener *one = &l->v[i];
		struct place place = place_of(one);

		close(one->fd);
		if (strchr(one->name, '/') && !one->inherited &&
			!find(keep, &place, str_from(one->name)))
			unlink(one->name);
		free(one->name);
	}
	free(l->v);
	*l = (struct srv_listeners){0};
}
