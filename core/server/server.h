/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_SERVER_H
#define CORE_SERVER_SERVER_H

/*
 * What the files of core/server share: settings, listeners, and what every child role does the
 * same way.  One file per role: master.c, gate.c, auth_role.c, mail.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lib/buf.h"
#include "core/lib/ipc.h"
#include "core/lib/loop.h"
#include "core/lib/settings.h"
#include "core/server/messages.h"

/* 1 in the flavour for tests, whose sanitizers need more rights than the roles leave themselves. */
#ifndef SATCHEL_HOST
#define SATCHEL_HOST 0
#endif

enum srv_role { SRV_MASTER, SRV_GATE, SRV_AUTH, SRV_MAIL, SRV_ROLES };

/* ---- settings.c, settings_table.c ---- */

struct srv_settings {
	char *data, *hostname, *log_level, *log_format;
	char *imap_listen, *lmtp_listen, *lmtp_auth, *lmtp_peers;
	char *user_gate, *user_auth, *user_mail, *sandbox;
	uint64_t listen_backlog;
	uint64_t prelogin_connections, prelogin_per_address, prelogin_seconds;
	uint64_t login_failure_delay, login_failures_per_address, login_failure_seconds;
	uint64_t login_cache_minutes, sessions_max, checkpoint_interval, drain_seconds;
	bool plaintext;
};

extern struct srv_settings srv_settings;

/* Core's own settings, ended by key NULL. */
extern const struct setting srv_settings_table[];
/* Core's and all features' settings; the array lives as long as the program. */
const struct setting *const *srv_settings_all(size_t *n_r);
/* Sets defaults, then what the file says.  file NULL: DATA/satchel.conf, or /etc/satchel.conf where
 * data is NULL, if it is there.  data, if not NULL, wins over what the file says.  -1: errors_r has
 * lines for the admin and nothing has changed. */
int srv_settings_load(const char *file, const char *data, struct buf *errors_r);
/* The file that was loaded last; "defaults" if there was none. */
const char *srv_settings_source(void);
/* Appends all of them as lines `key: value`, in one order. */
void srv_settings_print(struct buf *out);
/* Whom a change between two such texts concerns. */
enum srv_change { SRV_SAME, SRV_FOR_GATE, SRV_FOR_ALL };
enum srv_change srv_settings_compare(struct str before, struct str after);
/* Takes the settings of such a text. */
void srv_settings_put_back(struct str settings);
/* The host name to greet with. */
const char *srv_hostname(void);
void srv_log_init(const char *role);
/* All keys as the source of satchel.conf(5). */
void srv_settings_man(struct buf *out);

/* ---- listen.c ---- */

struct srv_listener {
	int fd;
	enum srv_service service;
	bool encrypted; /* from the first byte */
	char *name; /* as in the settings: "127.0.0.1:143", "/run/lmtp.sock" */
	bool inherited;
};

#define SRV_LISTENERS_MAX 48

struct srv_listeners {
	struct srv_listener *v;
	size_t n, cap;
};

/* Opens all listeners that the settings name; those that `old` has already are shared with it.
 * LISTEN_FDS (sd_listen_fds(3)) takes the place of the settings.  -1: error_r has one line for the
 * admin and l is empty. */
int srv_listen(struct srv_listeners *l, const struct srv_listeners *old, struct buf *error_r);
/* One listener of a feature's own, at a word such as imap_listen has.  -1: error_r has a line that
 * names the setting `key`. */
int srv_listen_open(struct str name, const char *key, struct buf *error_r);
#define SRV_ACCEPT_PAUSE 100 /* ms */
/* Does accept() fail for want of descriptors or memory?  The connection stays in the queue and would be
 * reported without end: look away for SRV_ACCEPT_PAUSE. */
bool srv_accept_must_wait(int error);
/* Closes them and removes the unix sockets that `keep` (may be NULL) does not have. */
void srv_listeners_close(struct srv_listeners *l, const struct srv_listeners *keep);

/* ---- listen_stat.c ---- */

/* Appends "name value" lines: the queue of each listener, its length, the connections that found it
 * full, the kernel's counters for the whole host, and a hint if any were turned away.  What this
 * kernel does not tell is left out. */
void srv_listen_stat(const struct srv_listeners *l, struct buf *out);
/* Says in the log if net.core.somaxconn cuts listen_backlog. */
void srv_listen_check_backlog(void);

/* ---- address.c ---- */

struct sockaddr_storage;

/* "127.0.0.1:143", "[::1]:143", "*:143", "143" or a path with a slash.  0, or -1 EINVAL,
 * ENAMETOOLONG. */
int srv_address_parse(struct str s, struct sockaddr_storage *a_r, unsigned *len_r);
/* "192.0.2.1", "2001:db8::1" or "unix". */
void srv_address_add(struct buf *out, const struct sockaddr_storage *a);
/* Loopback or a unix socket: bytes on it do not pass a network. */
bool srv_address_is_local(const struct sockaddr_storage *a);
/* The same for one client: an IPv4 address or an IPv6 /64; 0 for unix sockets. */
uint64_t srv_address_key(const struct sockaddr_storage *a);

/* ---- privileges.c ---- */

/* "name", or "uid:gid" in numbers.  0 / -1 (not found). */
int srv_user_find(const char *spec, uint32_t *uid_r, uint32_t *gid_r);
/* As root: gives the spool to user_mail, users.cdb to user_auth and accounts.cdb to user_mail, unless
 * they belong to somebody else than root already, and lets auth pass through the spool.  Dies on
 * failure. */
void srv_give_files(int data_fd);
/* Closes every descriptor but stdio and the given ones (at most 64 are looked at). */
void srv_close_others(const int *keep, size_t n);

/* ---- confine.c ---- */

/* Changes to the directory `root` (-1: stays) and gives up for good what the role does not need: as
 * root its ids (user_ settings) and all files outside `root`; then, as far as `sandbox` says and the
 * host can, new privileges, being traced, files outside `spool` (-1: all files), and system calls.
 * Dies with the master from now on.  Dies if something fails, or is missing and `sandbox: require'
 * is set. */
void srv_confine(enum srv_role role, int spool, int root, int master_pid);
/* `wanted` clients at once, as the setting says, or as many as RLIMIT_NOFILE leaves room for beside
 * `reserve` other descriptors; says so in the log then.  After srv_confine(). */
uint64_t srv_fit_descriptors(const char *key, uint64_t wanted, uint64_t reserve);
/* The layers that this host did not give, "" for none: "seccomp (why), landlock (why)". */
struct str srv_confine_missing(void);

/* ---- child.c: what gate, auth and mail have in common ---- */

extern const char *const srv_role_names[SRV_ROLES];

struct srv_child;

struct srv_child_ops {
	/* A frame from another role; fd is -1 or owned now.  -1: the peer broke the rules and its
	 * channel is closed. */
	int (*message)(struct srv_child *c, enum srv_role from, uint16_t type, struct cursor payload,
		int fd);
	/* The channel to a role is gone (it died, or broke the rules); a new one may come. */
	void (*peer_down)(struct srv_child *c, enum srv_role role);
	void (*drain)(struct srv_child *c);
	/* Keys and certificates.  0 / -1: it cannot work with them.  NULL: not for this role. */
	int (*material)(struct srv_child *c, struct str material);
	/* The master's lines for `satchel stat`, asked for with SRV_FIGURES_ASK.  NULL: not for this role. */
	void (*figures)(struct srv_child *c, struct str lines);
	/* NULL: requests are refused.  Answer with srv_control_reply(). */
	void (*control)(struct srv_child *c, uint64_t request, struct str line);
};

struct srv_peer {
	struct ipc ipc;
	enum srv_role role;
	struct srv_child *child;
};

struct srv_child {
	struct loop *loop;
	enum srv_role role;
	const struct srv_child_ops *ops;
	struct srv_peer peer[SRV_ROLES]; /* [SRV_MASTER] is the channel to the master */
};

void srv_child_init(struct srv_child *c, struct loop *l, enum srv_role role,
	const struct srv_child_ops *ops);
/* Starts the channel to a role (fd is owned); an older one is closed, and peer_down() called. */
int srv_child_connect(struct srv_child *c, enum srv_role role, int fd);
bool srv_child_connected(const struct srv_child *c, enum srv_role role);
/* As ipc_send(). */
int srv_child_send(struct srv_child *c, enum srv_role role, uint16_t type, const struct buf *payload,
	int pass_fd);
void srv_child_ready(struct srv_child *c);
/* Sends the answer to a control request, in as many frames as it needs. */
void srv_control_reply(struct srv_child *c, uint64_t request, bool ok, struct str text);
/* Closes all channels without calling back. */
void srv_child_close(struct srv_child *c);

/* ---- the roles: run until drained and return the exit status ---- */

int srv_gate_run(int channel, const struct srv_listeners *listeners, int jail, int master_pid);
int srv_auth_run(int channel, int data_fd, int jail, int master_pid);
/* after_failure: an earlier child ended with SRV_STORE_FAILED. */
int srv_mail_run(int channel, int data_fd, int master_pid, bool after_failure);

/* How mail ends when its store failed, to be started again: for reading only, because the disk makes
 * errors; or as ever, because something was undone for want of space or memory. */
enum { SRV_STORE_FAILED = 3, SRV_STORE_UNDONE = 4 };

/* ---- role_memory.c ---- */

/* Memory of another process that is resident, with what it shares; 0: not known. */
uint64_t srv_resident_bytes(int pid);

/* ---- master.c ---- */

/* Serves until SIGTERM; returns the exit status.  file and data as for srv_settings_load(). */
int srv_master_run(const char *file, const char *data);

/* ---- control.c: control.sock ---- */

struct srv_control;

/* What the master does with a request: calls srv_control_answer() for it, now or later. */
typedef void srv_control_request(void *arg, uint64_t request, struct str line);

/* Listens on control.sock in data_fd.  NULL + error_r. */
struct srv_control *srv_control_new(struct loop *l, const char *data, srv_control_request *serve,
	void *arg, struct buf *error_r);
/* Part of the answer; the first part decides ok.  last ends it. */
void srv_control_answer(struct srv_control *c, uint64_t request, bool ok, bool last, struct str text);
void srv_control_free(struct srv_control **c);
/* The other side: sends one request line, prints the answer to stdout, or stderr when it is an
 * error.  Returns the exit status. */
int srv_control_call(const char *data, int argc, char **argv);

/* ---- notify.c ---- */

/* What a supervisor hears in the master (sd_notify(3)), if NOTIFY_SOCKET names one.  While it starts
 * or stops it asks for more time, again and again; with WATCHDOG_USEC it says that it is alive. */
void srv_notify_starting(struct loop *l);
void srv_notify_ready(void);
void srv_notify_reloading(void); /* srv_notify_ready() ends it */
void srv_notify_stopping(void);
/* Before the loop is freed. */
void srv_notify_end(void);

#endif
