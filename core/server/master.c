/* SPDX-License-Identifier: 0BSD */
#include "core/server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lib/log.h"
#include "core/server/transport.h"

#define BACKOFF_FIRST 100   /* ms */
#define BACKOFF_MAX   10000
#define YOUNG_MS      10000 /* who dies younger waits longer before the next try */
#define GATE_DRAIN_MS 4000
#define CLOSE_MS      60000 /* for the store's last checkpoint, after drain_seconds */
#define MUTE_MS       5000
#define CONTROL_MAX   (64 * 1024)
#define READY_MAX     1024

struct role {
	struct ipc ipc;
	enum srv_role role;
	pid_t pid; /* 0: not running */
	bool ready, renewing; /* renewing: it drains, and is to be started again */
	bool failed;          /* mail: its store met errors of the disk */
	uint64_t started, backoff;
	unsigned restarts;
	struct loop_timer restart;
	struct loop_timer mute; /* its channel is closed, and it is still there */
};

/* A gate that only relays the sessions it has; its successor serves. */
struct retired {
	struct retired *next;
	pid_t pid;
	int channel; /* held open, and never read: without it the gate would end */
};

struct request { /* forwarded to mail */
	struct request *next;
	uint64_t id;
};

static struct master {
	struct loop *loop;
	const char *file, *data_option;
	struct srv_listeners listeners;
	struct srv_control *control;
	struct role role[SRV_ROLES];
	struct request *requests;
	struct retired *retired;
	struct loop_fd signals;
	struct loop_timer gate_late, all_late;
	int data_fd, jail_fd, status;
	bool announced, stopping;
} m = {.data_fd = -1, .jail_fd = -1};

static void role_start(struct role *r);

/* ---- children ---- */

_Noreturn static void child_main(struct role *r, int channel)
{
	static const char *const process_names[] = {"", "satchel-gate", "satchel-auth", "satchel-mail"};
	int master_pid = getppid(), keep[64], status = 1;
	size_t n = 0;
	sigset_t none;

	prctl(PR_SET_NAME, process_names[r->role], 0, 0, 0);
	srv_log_init(srv_role_names[r->role]);
	/* The terminal's ^C reaches all; when to go is the master's to say. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	keep[n++] = channel;
	if (r->role == SRV_GATE || r->role == SRV_AUTH)
		keep[n++] = m.jail_fd;
	if (r->role != SRV_GATE)
		keep[n++] = m.data_fd;
	for (size_t i = 0; r->role == SRV_GATE && i < m.listeners.n; i++)
		keep[n++] = m.listeners.v[i].fd;
	srv_close_others(keep, n);
	if (r->role == SRV_GATE)
		status = srv_gate_run(channel, &m.listeners, m.jail_fd, master_pid);
	else if (r->role == SRV_AUTH)
		status = srv_auth_run(channel, m.data_fd, m.jail_fd, master_pid);
	else
		status = srv_mail_run(channel, m.data_fd, master_pid, r->failed);
	_exit(status);
}

static void tell(struct role *r, uint16_t type, struct str payload, int fd)
{
	if (ipc_send(&r->ipc, type, payload, fd) && r->pid)
		log_warning("a role does not take messages", "role", srv_role_names[r->role], NULL);
}

/* Gives a new child its channels to the others, and them theirs to it. */
static void introduce(struct role *r)
{
	for (int i = SRV_GATE; i < SRV_ROLES; i++) {
		struct role *other = &m.role[i];
		char here = (char)r->role, there = (char)i;
		int fd[2];

		if (other == r || !other->pid)
			continue;
		if (ipc_pair(fd)) {
			log_error("no channel between roles", "why", strerror(errno), NULL);
			continue;
		}
		tell(r, SRV_PEER, (struct str){&there, 1}, fd[0]);
		tell(other, SRV_PEER, (struct str){&here, 1}, fd[1]);
	}
}

/* ---- keys and certificates ---- */

static void log_lines(struct str lines)
{
	struct cursor c = cursor_from(lines);
	bool ended;

	while (!cursor_done(&c))
		log_error(log_str(cursor_take_line(&c, &ended)), NULL);
}

/* A new gate waits for it; one that cannot have it is killed, and another tried later. */
static void equip(struct role *gate)
{
	struct buf material = {0}, errors = {0};

	if (!srv_transport())
		return;
	if (srv_material_load(m.data_fd, &material, &errors) ||
		srv_material_send(&gate->ipc, buf_str(&material))) {
		log_lines(buf_str(&errors));
		kill(gate->pid, SIGKILL);
	}
	buf_wipe(&material);
	buf_free(&errors);
}

/* ---- children, again ---- */

static void start_later(struct role *r)
{
	log_info("role is started again", "role", srv_role_names[r->role], "in_ms",
		log_num((int64_t)r->backoff), NULL);
	loop_timer_start(m.loop, &r->restart, r->backoff);
	r->backoff = r->backoff * 2 > BACKOFF_MAX ? BACKOFF_MAX : r->backoff * 2;
}

static void role_start(struct role *r)
{
	int fd[2];

	r->ready = r->renewing = false;
	r->started = loop_now(m.loop);
	if (ipc_pair(fd)) {
		log_error("no channel to a role", "why", strerror(errno), NULL);
		start_later(r);
		return;
	}
	r->pid = fork();
	if (r->pid == 0)
		child_main(r, fd[1]);
	close(fd[1]);
	if (r->pid < 0) {
		log_error("cannot fork", "why", strerror(errno), NULL);
		r->pid = 0;
		close(fd[0]);
		start_later(r);
		return;
	}
	if (ipc_start(&r->ipc, m.loop, fd[0]))
		die("cannot watch a role", NULL);
	introduce(r);
	if (r->role == SRV_GATE)
		equip(r);
}

static void restart_fire(struct loop_timer *t)
{
	struct role *r = (struct role *)((char *)t - offsetof(struct role, restart));

	if (!m.stopping && !r->pid)
		role_start(r);
}

static bool all_ready(void)
{
	return m.role[SRV_GATE].ready && m.role[SRV_AUTH].ready && m.role[SRV_MAIL].ready;
}

static void role_ready(struct role *r)
{
	r->ready = true;
	/* Clients are taken only when there is somebody to serve them: until then they wait in the
	 * listeners' queues. */
	if (m.role[SRV_AUTH].ready && m.role[SRV_MAIL].ready && !m.role[SRV_GATE].pid &&
		!m.role[SRV_GATE].restart.due && !m.stopping)
		role_start(&m.role[SRV_GATE]);
	if (!all_ready() || m.announced)
		return;
	m.announced = true;
	log_info("ready", "pid", log_num(getpid()), NULL);
	srv_notify_ready();
}

/* ---- ending ---- */

static void stop_if_all_gone(void)
{
	for (int i = SRV_GATE; i < SRV_ROLES; i++) {
		if (m.role[i].pid)
			return;
	}
	if (!m.retired)
		loop_stop(m.loop);
}

static void drain_role(struct role *r)
{
	if (!r->pid)
		return;
	/* Who is still recovering does not listen, and loses nothing. */
	if (r->ready)
		tell(r, SRV_DRAIN, STR(""), -1);
	else
		kill(r->pid, SIGKILL);
}

/* The gate is gone, or took too long: nothing new comes to the others any more. */
static void drain_rest(struct loop_timer *t)
{
	(void)t;
	drain_role(&m.role[SRV_AUTH]);
	drain_role(&m.role[SRV_MAIL]);
	stop_if_all_gone();
}

static void kill_all(struct loop_timer *t)
{
	(void)t;
	m.status = 1;
	for (int i = SRV_GATE; i < SRV_ROLES; i++) {
		if (!m.role[i].pid)
			continue;
		log_error("role does not end, killed", "role", srv_role_names[i], NULL);
		kill(m.role[i].pid, SIGKILL);
	}
	for (struct retired *one = m.retired; one; one = one->next)
		kill(one->pid, SIGKILL);
}

static void stop(int status)
{
	if (m.stopping)
		return;
	m.stopping = true;
	m.status = status;
	log_info("stopping", NULL);
	srv_notify_stopping();
	srv_listeners_close(&m.listeners, NULL);
	for (int i = SRV_GATE; i < SRV_ROLES; i++)
		loop_timer_stop(&m.role[i].restart);
	loop_timer_start(m.loop, &m.all_late, srv_settings.drain_seconds * 1000 + CLOSE_MS);
	if (m.role[SRV_GATE].pid) {
		drain_role(&m.role[SRV_GATE]);
		loop_timer_start(m.loop, &m.gate_late, GATE_DRAIN_MS);
	} else {
		drain_rest(NULL);
	}
}

/* ---- what children say ---- */

static struct role *of_ipc(struct ipc *ipc)
{
	return (struct role *)((char *)ipc - offsetof(struct role, ipc));
}

static void forget_request(uint64_t id)
{
	for (struct request **p = &m.requests; *p; p = &(*p)->next) {
		struct request *one = *p;

		if (one->id != id)
			continue;
		*p = one->next;
		free(one);
		return;
	}
}

static int take_reply(struct role *r, struct cursor payload)
{
	uint64_t id = cursor_u64(&payload);
	uint8_t status = cursor_u8(&payload), last = cursor_u8(&payload);
	struct str text = cursor_str(&payload, CONTROL_MAX);

	if (payload.failed || !cursor_done(&payload) || r->role != SRV_MAIL)
		return -1;
	if (last)
		forget_request(id);
	if (m.control)
		srv_control_answer(m.control, id, status == 0, last, text);
	return 0;
}

/* Once for all roles, as long as they say the same. */
static void warn_of_missing(struct str layers)
{
	static struct buf told;

	if (!layers.len || str_eq(layers, buf_str(&told)))
		return;
	buf_clear(&told);
	buf_addstr(&told, layers);
	log_warning("the sandbox of the roles is not complete", "missing", log_str(layers), NULL);
}

static int take_ready(struct role *r, struct cursor payload)
{
	struct str missing = cursor_str(&payload, READY_MAX);

	if (payload.failed || !cursor_done(&payload))
		return -1;
	warn_of_missing(missing);
	if (!r->ready)
		role_ready(r);
	return 0;
}

/* A drained gate goes on with the sessions that it relays; they end when mail ends them. */
static int take_retired(struct role *r)
{
	struct retired *one;

	if (r->role != SRV_GATE || (!m.stopping && !r->renewing))
		return -1;
	if (m.stopping) {
		loop_timer_stop(&m.gate_late);
		drain_rest(NULL);
		return 0;
	}
	one = calloc(1, sizeof(*one));
	if (!one)
		return -1;
	one->pid = r->pid;
	one->channel = fcntl(r->ipc.io.fd, F_DUPFD_CLOEXEC, 0);
	one->next = m.retired;
	m.retired = one;
	ipc_close(&r->ipc);
	r->pid = 0;
	r->ready = false;
	r->backoff = BACKOFF_FIRST;
	role_start(r);
	return 0;
}

static void add_roles(struct buf *out)
{
	for (int i = SRV_GATE; i < SRV_ROLES; i++) {
		buf_addv(out, srv_role_names[i], "_pid ", log_num(m.role[i].pid), "\n", NULL);
		buf_addv(out, srv_role_names[i], "_restarts ", log_num(m.role[i].restarts), "\n", NULL);
		buf_addv(out, srv_role_names[i], "_resident_bytes ",
			log_num(m.role[i].pid ? (int64_t)srv_resident_bytes(m.role[i].pid) : 0), "\n", NULL);
	}
}

static void add_figures(struct buf *out)
{
	add_roles(out);
	srv_listen_stat(&m.listeners, out);
}

static int give_figures(struct role *r)
{
	struct buf lines = {0}, frame = {0};

	if (r->role != SRV_MAIL)
		return -1;
	add_figures(&lines);
	buf_putstr(&frame, buf_str(&lines));
	tell(r, SRV_FIGURES, buf_str(&frame), -1);
	buf_free(&lines);
	buf_free(&frame);
	return 0;
}

static void role_message(struct ipc *ipc, uint16_t type, struct cursor payload, int fd)
{
	struct role *r = of_ipc(ipc);
	int rc = -1;

	if (fd >= 0)
		close(fd);
	else if (type == SRV_READY)
		rc = take_ready(r, payload);
	else if (type == SRV_RETIRED && cursor_done(&payload))
		rc = take_retired(r);
	else if (type == SRV_FIGURES_ASK && cursor_done(&payload))
		rc = give_figures(r);
	else if (type == SRV_CONTROL_REPLY)
		rc = take_reply(r, payload);
	if (rc) {
		log_error("role sends nonsense, killed", "role", srv_role_names[r->role], NULL);
		kill(r->pid, SIGKILL);
	}
}

/* Usually the last thing before its end, which SIGCHLD tells; one that lives on without its
 * channel cannot be led. */
static void role_closed(struct ipc *ipc)
{
	loop_timer_start(m.loop, &of_ipc(ipc)->mute, MUTE_MS);
}

static void mute_fire(struct loop_timer *t)
{
	struct role *r = (struct role *)((char *)t - offsetof(struct role, mute));

	if (r->pid)
		kill(r->pid, SIGKILL);
}

static void fail_requests(void)
{
	while (m.requests) {
		uint64_t id = m.requests->id;

		forget_request(id);
		if (m.control)
			srv_control_answer(m.control, id, false, true,
				STR("the mail role was restarted, try again\n"));
	}
}

static void log_death(const struct role *r, int status)
{
	const char *name = srv_role_names[r->role];

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		log_error("role died of a system call that no role may make", "role", name, NULL);
	else if (WIFSIGNALED(status))
		log_error("role died", "role", name, "signal", log_num(WTERMSIG(status)), NULL);
	else if (WEXITSTATUS(status) || (!m.stopping && !r->renewing))
		log_error("role ended", "role", name, "status", log_num(WEXITSTATUS(status)), NULL);
}

static void role_gone(struct role *r, int status)
{
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	bool young = loop_now(m.loop) - r->started < YOUNG_MS, was_ready = r->ready;

	log_death(r, status);
	r->pid = 0;
	r->ready = false;
	ipc_close(&r->ipc);
	loop_timer_stop(&r->mute);
	if (r->role == SRV_MAIL)
		fail_requests();
	if (m.stopping) {
		/* Killed by us because it was not ready: that is no failure. */
		if (was_ready && (!WIFEXITED(status) || WEXITSTATUS(status)))
			m.status = 1;
		if (r->role == SRV_GATE) {
			loop_timer_stop(&m.gate_late);
			drain_rest(NULL);
		}
		stop_if_all_gone();
		return;
	}
	/* It said why already, and a second try would say the same. */
	if (!m.announced && !was_ready && WIFEXITED(status)) {
		stop(1);
		return;
	}
	r->restarts++;
	/* It writes again when somebody has looked at the disk and starts the server. */
	if (r->role == SRV_MAIL && WIFEXITED(status) && WEXITSTATUS(status) == SRV_STORE_FAILED)
		r->failed = true;
	else if (r->renewing)
		r->failed = false;
	if (r->renewing || (was_ready && (killed || !young))) {
		r->backoff = BACKOFF_FIRST;
		role_start(r);
		return;
	}
	start_later(r);
}

/* False: none of the retired gates. */
static bool retired_gone(pid_t pid)
{
	for (struct retired **p = &m.retired; *p; p = &(*p)->next) {
		struct retired *one = *p;

		if (one->pid != pid)
			continue;
		*p = one->next;
		if (one->channel >= 0)
			close(one->channel);
		free(one);
		return true;
	}
	return false;
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (retired_gone(pid)) {
			if (m.stopping)
				stop_if_all_gone();
			continue;
		}
		for (int i = SRV_GATE; i < SRV_ROLES; i++) {
			if (m.role[i].pid == pid)
				role_gone(&m.role[i], status);
		}
	}
}

/* ---- settings ---- */

static void renew(struct role *r)
{
	if (!r->pid || r->renewing)
		return;
	r->renewing = true;
	drain_role(r);
}

/* The old listeners may only go when the new ones are there. */
static int renew_listeners(struct buf *errors)
{
	struct srv_listeners fresh;

	if (srv_listen(&fresh, &m.listeners, errors))
		return -1;
	srv_listeners_close(&m.listeners, &fresh);
	m.listeners = fresh;
	return 0;
}

/* 0, or -1: errors has lines and everything is as before. */
static int reload(struct buf *errors)
{
	struct buf before = {0}, after = {0}, material = {0};
	char *data = strdup(srv_settings.data);
	enum srv_change changed;
	int rc = -1;

	srv_settings_print(&before);
	if (!data || srv_settings_load(m.file, m.data_option, errors))
		goto free_texts;
	if (strcmp(data, srv_settings.data)) {
		buf_adds(errors, "data cannot change while the server runs\n");
		srv_settings_put_back(buf_str(&before));
		goto free_texts;
	}
	srv_settings_print(&after);
	changed = srv_settings_compare(buf_str(&before), buf_str(&after));
	if (srv_material_load(m.data_fd, &material, errors) || (changed && renew_listeners(errors))) {
		srv_settings_put_back(buf_str(&before));
		goto free_texts;
	}
	srv_log_init("master");
	log_info("settings read again", "changed", changed ? "yes" : "no", NULL);
	if (changed)
		renew(&m.role[SRV_GATE]);
	else if (srv_transport() && m.role[SRV_GATE].pid)
		srv_material_send(&m.role[SRV_GATE].ipc, buf_str(&material));
	if (changed == SRV_FOR_ALL) {
		renew(&m.role[SRV_AUTH]);
		renew(&m.role[SRV_MAIL]);
	}
	rc = 0;
free_texts:
	free(data);
	buf_wipe(&material);
	buf_free(&before);
	buf_free(&after);
	return rc;
}

static void reload_by_signal(void)
{
	struct buf errors = {0};

	if (m.stopping)
		return;
	if (m.announced)
		srv_notify_reloading();
	if (reload(&errors)) {
		log_lines(buf_str(&errors));
		log_error("settings stay as they were", NULL);
	}
	if (m.announced)
		srv_notify_ready();
	buf_free(&errors);
}

/* ---- control requests ---- */

static void forward(uint64_t id, struct str line)
{
	struct request *one = calloc(1, sizeof(*one));
	struct buf frame = {0};

	buf_put64(&frame, id);
	buf_putstr(&frame, line);
	if (!one || frame.failed || !m.role[SRV_MAIL].ready ||
		ipc_send(&m.role[SRV_MAIL].ipc, SRV_CONTROL, buf_str(&frame), -1)) {
		free(one);
		srv_control_answer(m.control, id, false, true, STR("the mail role is not ready\n"));
	} else {
		one->id = id;
		one->next = m.requests;
		m.requests = one;
	}
	buf_free(&frame);
}

static void serve_control(void *arg, uint64_t id, struct str line)
{
	struct buf text = {0};

	(void)arg;
	if (str_eq(line, STR("reload"))) {
		int rc = reload(&text);

		if (rc == 0)
			buf_adds(&text, "settings read\n");
		srv_control_answer(m.control, id, rc == 0, true, buf_str(&text));
	} else {
		if (str_eq(line, STR("stat")) && m.role[SRV_MAIL].ready) {
			add_figures(&text);
			srv_control_answer(m.control, id, true, false, buf_str(&text));
		}
		forward(id, line);
	}
	buf_free(&text);
}

/* ---- start ---- */

static void signals_ready(struct loop_fd *io, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	while (read(io->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap();
		else if (info.ssi_signo == SIGHUP)
			reload_by_signal();
		else
			stop(0);
	}
}

static void watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	m.signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	m.signals.ready = signals_ready;
	if (m.signals.fd < 0 || loop_add(m.loop, &m.signals, EPOLLIN))
		die("cannot watch signals", NULL);
}

static void warn_of_root(void)
{
	const char *gate = *srv_settings.user_gate ? "" : " user_gate",
		   *auth = *srv_settings.user_auth ? "" : " user_auth",
		   *mail = *srv_settings.user_mail ? "" : " user_mail";
	struct buf keys = {0};

	buf_addv(&keys, gate, auth, mail, NULL);
	buf_addc(&keys, '\0');
	if (keys.len > 1 && !keys.failed)
		log_warning("started as root, and roles stay root because no user is named for them",
			"unset", keys.data + 1, NULL);
	buf_free(&keys);
}

static void open_data(void)
{
	const char *data = srv_settings.data;

	if (mkdir(data, 0700) && errno != EEXIST)
		die("cannot create the spool", "data", data, NULL);
	m.data_fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m.data_fd < 0)
		die("cannot open the spool", "data", data, NULL);
	srv_give_files(m.data_fd);
	if (geteuid())
		return; /* who is not root cannot chroot */
	warn_of_root();
	mkdirat(m.data_fd, "empty", 0555);
	m.jail_fd = openat(m.data_fd, "empty", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void init_roles(void)
{
	for (int i = 0; i < SRV_ROLES; i++) {
		struct role *r = &m.role[i];

		r->role = (enum srv_role)i;
		r->ipc.io.fd = -1;
		r->ipc.message = role_message;
		r->ipc.closed = role_closed;
		r->backoff = BACKOFF_FIRST;
		r->restart.fire = restart_fire;
		r->mute.fire = mute_fire;
	}
	m.gate_late.fire = drain_rest;
	m.all_late.fire = kill_all;
}

_Noreturn static void die_of(struct buf *error)
{
	log_lines(buf_str(error));
	_exit(1);
}

/* Descriptors 0 to 2 are taken, so that no socket becomes somebody's standard error. */
static void fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int srv_master_run(const char *file, const char *data)
{
	struct buf error = {0};
	int rc;

	fill_stdio();
	m.file = file;
	m.data_option = data;
	srv_log_init("master");
	m.loop = loop_new();
	if (!m.loop)
		die("no event loop", NULL);
	init_roles();
	watch_signals();
	open_data();
	m.control = srv_control_new(m.loop, srv_settings.data, serve_control, NULL, &error);
	if (!m.control || srv_listen(&m.listeners, NULL, &error) || srv_material_check(m.data_fd, &error)) {
		srv_control_free(&m.control);
		die_of(&error);
	}
	srv_notify_starting(m.loop);
	role_start(&m.role[SRV_MAIL]);
	role_start(&m.role[SRV_AUTH]);
	rc = loop_run(m.loop);
	srv_control_free(&m.control);
	srv_listeners_close(&m.listeners, NULL);
	for (int i = SRV_GATE; i < SRV_ROLES; i++)
		ipc_close(&m.role[i].ipc);
	fail_requests();
	close(m.signals.fd);
	srv_notify_end();
	loop_free(&m.loop);
	log_info("stopped", NULL);
	return rc ? 1 : m.status;
}
