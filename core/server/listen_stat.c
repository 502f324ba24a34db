/* SPDX-License-Identifier: 0BSD */
/* How full the listeners' queues are, and what the kernel turned away.  For the master alone: the
 * other roles may neither read /proc nor open sockets. */
#include "core/server/server.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/lib/file.h"
#include "core/lib/log.h"

#define PROC_MAX     (64 * 1024)
#define TCP_LISTENS  10 /* TCP_LISTEN of the kernel's tcp_states.h, which user space has no name for */
#define ANSWER_BYTES 512

struct queue {
	bool known;
	uint32_t waiting, most, drops;
};

/* A listening socket gives its queue in fields that mean something else for connections. */
static void ask_tcp(int fd, struct queue *q)
{
	uint32_t memory[SK_MEMINFO_VARS] = {0};
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) || info.tcpi_state != TCP_LISTENS)
		return;
	q->known = true;
	q->waiting = info.tcpi_unacked;
	q->most = info.tcpi_sacked;
	len = sizeof(memory);
	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &len) == 0)
		q->drops = memory[SK_MEMINFO_DROPS];
}

/* sock_diag(7): the answer's fixed part, then attributes. */
static void take_unix_answer(struct str answer, struct queue *q)
{
	struct cursor c = cursor_from(answer);

	cursor_skip(&c, sizeof(uint32_t));
	if (cursor_u16(&c) != SOCK_DIAG_BY_FAMILY)
		return;
	cursor_skip(&c, sizeof(struct nlmsghdr) - 6 + sizeof(struct unix_diag_msg));
	while (!c.failed && cursor_left(&c) >= sizeof(struct nlattr)) {
		size_t size = cursor_u16(&c);
		uint16_t type = cursor_u16(&c);

		if (size < sizeof(struct nlattr))
			return;
		if (type == UNIX_DIAG_RQLEN && size == sizeof(struct nlattr) + 8) {
			q->waiting = cursor_u32(&c);
			q->most = cursor_u32(&c);
			q->known = !c.failed;
			return;
		}
		cursor_skip(&c, NLA_ALIGN(size) - sizeof(struct nlattr));
	}
}

static void ask_unix(int fd, struct queue *q)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req body;
	} request = {.head = {.nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			     .nlmsg_flags = NLM_F_REQUEST},
		.body = {.sdiag_family = AF_UNIX, .udiag_states = UINT32_MAX, .udiag_show = UDIAG_SHOW_RQLEN,
			.udiag_cookie = {UINT32_MAX, UINT32_MAX}}};
	char answer[ANSWER_BYTES];
	struct stat st;
	ssize_t n = -1;
	int diag;

	if (fstat(fd, &st))
		return;
	request.body.udiag_ino = (uint32_t)st.st_ino;
	diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	if (diag < 0)
		return;
	/* The kernel answers before send() returns. */
	if (send(diag, &request, sizeof(request), 0) == (ssize_t)sizeof(request))
		n = recv(diag, answer, sizeof(answer), 0);
	if (n > 0)
		take_unix_answer((struct str){answer, (size_t)n}, q);
	close(diag);
}

static struct queue ask(const struct srv_listener *l)
{
	struct queue q = {0};
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if (getsockname(l->fd, (struct sockaddr *)&a, &len))
		return q;
	if (a.ss_family == AF_UNIX)
		ask_unix(l->fd, &q);
	else
		ask_tcp(l->fd, &q);
	return q;
}

static void add_line(struct buf *out, const char *name, const struct srv_listener *l, uint64_t value)
{
	const char *service = l->service == SRV_IMAP ? "imap" : "lmtp";

	buf_addv(out, name, "{service=\"", service, l->encrypted ? "s" : "", "\",listener=\"", NULL);
	for (const char *p = l->name; *p; p++)
		buf_addc(out, *p == '"' || *p == '\\' || *p <= ' ' || *p > '~' ? '?' : *p);
	buf_adds(out, "\"} ");
	buf_addu(out, value);
	buf_addc(out, '\n');
}

static int read_proc(const char *name, struct buf *out)
{
	return file_read(AT_FDCWD, name, PROC_MAX, out);
}

/* /proc/net/netstat: a line of names, then a line of values, for each group. */
static bool find_counter(struct str text, struct str name, uint64_t *value_r)
{
	struct cursor c = cursor_from(text);
	struct str names, values, word, value;
	bool ended;

	while (!cursor_done(&c)) {
		names = cursor_take_line(&c, &ended);
		values = cursor_take_line(&c, &ended);
		while (str_word(&names, " ", &word) && str_word(&values, " ", &value)) {
			if (str_eq(word, name))
				return str_u64(value, UINT64_MAX, value_r) == 0;
		}
	}
	return false;
}

static void add_host(struct buf *out)
{
	static const struct {
		const char *theirs, *ours;
	} counters[] = {{"ListenOverflows", "host_listen_overflows_total"},
		{"ListenDrops", "host_listen_drops_total"}};
	struct buf text = {0};
	uint64_t value;

	if (read_proc("/proc/net/netstat", &text) == 0) {
		for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
			if (!find_counter(buf_str(&text), str_from(counters[i].theirs), &value))
				continue;
			buf_addv(out, counters[i].ours, " ", NULL);
			buf_addu(out, value);
			buf_addc(out, '\n');
		}
	}
	buf_free(&text);
}

static bool read_most(uint64_t *most_r)
{
	struct buf text = {0};
	bool known = read_proc("/proc/sys/net/core/somaxconn", &text) == 0 &&
		str_u64(str_trim(buf_str(&text)), UINT64_MAX, most_r) == 0;

	buf_free(&text);
	return known;
}

static void add_hint(struct buf *out, uint64_t drops)
{
	uint64_t most;

	buf_adds(out, "listen_hint ");
	buf_addu(out, drops);
	buf_adds(out, " connections were turned away at a full queue: raise listen_backlog (");
	buf_addu(out, srv_settings.listen_backlog);
	buf_adds(out, ")");
	if (read_most(&most) && srv_settings.listen_backlog >= most) {
		buf_adds(out, " and net.core.somaxconn (");
		buf_addu(out, most);
		buf_adds(out, ")");
	}
	buf_addc(out, '\n');
}

void srv_listen_stat(const struct srv_listeners *l, struct buf *out)
{
	struct queue queues[SRV_LISTENERS_MAX];
	uint64_t drops = 0;

	for (size_t i = 0; i < l->n; i++) {
		queues[i] = ask(&l->v[i]);
		drops += queues[i].drops;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (queues[i].known)
			add_line(out, "listen_queue", &l->v[i], queues[i].waiting);
	}
	for (size_t i = 0; i < l->n; i++) {
		if (queues[i].known)
			add_line(out, "listen_queue_max", &l->v[i], queues[i].most);
	}
	for (size_t i = 0; i < l->n; i++) {
		if (queues[i].known)
			add_line(out, "listen_drops_total", &l->v[i], queues[i].drops);
	}
	add_host(out);
	if (drops)
		add_hint(out, drops);
}

void srv_listen_check_backlog(void)
{
	uint64_t most;

	if (read_most(&most) && srv_settings.listen_backlog > most)
		log_warning("the kernel's queue is shorter than listen_backlog", "listen_backlog",
			log_num((int64_t)srv_settings.listen_backlog), "net.core.somaxconn",
			log_num((int64_t)most), NULL);
}
