/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "core/lib/settings.h"
#include "core/server/confine.h"
#include "core/session.h"
#include "features/session/proc/proc.h"

#define DELAY_MS 200
#define AT_ONCE  256 /* files written before the loop may turn to somebody else */
#define NAME_LEN 32

static char *path;
static int dir = -1;
/* Sessions whose file does not say what is true. */
static struct proc_slot *dirty;
static struct loop_timer timer;

const struct feature proc_feature;

/* ---- the directory ---- */

static int open_dir(const char *data)
{
	struct buf name = {0};
	struct stat spool;
	bool made;

	buf_addv(&name, *path ? path : data, *path ? "" : "/proc", NULL);
	if (buf_addc(&name, '\0'))
		return -1;
	made = mkdir(buf_str(&name).p, 0750) == 0;
	dir = open(buf_str(&name).p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		log_error("cannot open proc_path", "path", buf_str(&name).p, "why", strerror(errno), NULL);
	/* Made by root, used by the role that owns the spool. */
	if (dir >= 0 && made && geteuid() == 0 && stat(data, &spool) == 0 &&
		fchown(dir, spool.st_uid, spool.st_gid))
		log_warning("cannot give proc_path to the owner of the spool", "why", strerror(errno), NULL);
	buf_free(&name);
	return dir < 0 ? -1 : 0;
}

/* "imap-12" and the like: nobody else's file is ever removed. */
static bool is_ours(struct str name)
{
	struct cursor c = cursor_from(name);

	if (!cursor_accept_word(&c, STR("imap-")) && !cursor_accept_word(&c, STR("lmtp-")))
		return false;
	cursor_number(&c, UINT64_MAX);
	return !c.failed && cursor_done(&c);
}

static void sweep(void)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		if (is_ours(str_from(e->d_name)))
			unlinkat(dir, e->d_name, 0);
	}
	closedir(d);
}

static int proc_prepare(const char *data)
{
	if (dir >= 0)
		close(dir);
	if (open_dir(data))
		return -1;
	confine_keep_dir(dir);
	return 0;
}

static int proc_start(struct mail *m)
{
	(void)m;
	sweep();
	return 0;
}

static void proc_stop(struct mail *m)
{
	(void)m;
	loop_timer_stop(&timer);
	sweep();
	close(dir);
	dir = -1;
}

/* ---- one file ---- */

static struct proc_slot *slot_of(const struct session *s)
{
	return feature_slot(s, &proc_feature);
}

static void file_name(const struct session *s, char name[NAME_LEN])
{
	struct buf b = {0};

	buf_addv(&b, s->service, "-", NULL);
	buf_addu(&b, s->id);
	buf_addc(&b, '\0');
	memcpy(name, buf_str(&b).p, b.len <= NAME_LEN ? b.len : 0);
	buf_free(&b);
}

void proc_add_field(struct buf *out, const char *text)
{
	if (!text || !*text)
		text = "-";
	for (; *text; text++)
		buf_addc(out, (unsigned char)*text < 32 || *text == 127 ? '?' : *text);
}

static void write_file(struct proc_slot *slot)
{
	const struct session *s = slot->session;
	const char *const fields[] = {s->service, s->peer, s->user, s->mailbox, s->state};
	struct buf line = {0};
	char name[NAME_LEN] = "";
	int fd;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (i)
			buf_addc(&line, '\t');
		proc_add_field(&line, fields[i]);
	}
	buf_addc(&line, '\n');
	file_name(s, name);
	/* Whole in one write, then cut: a reader may see two lines, never half a one. */
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd >= 0) {
		if (write(fd, buf_str(&line).p, line.len) < 0 ||
			(line.len < slot->written && ftruncate(fd, (off_t)line.len)))
			log_debug("proc file", "why", strerror(errno), NULL);
		slot->written = line.len;
		close(fd);
	}
	buf_free(&line);
}

/* ---- what is to be written ---- */

static void unlink_slot(struct proc_slot *slot)
{
	if (!slot->queued)
		return;
	if (slot->next)
		slot->next->prev = slot->prev;
	if (slot->prev)
		slot->prev->next = slot->next;
	else
		dirty = slot->next;
	slot->queued = false;
}

static void flush(struct loop_timer *t)
{
	for (int i = 0; i < AT_ONCE && dirty; i++) {
		struct proc_slot *slot = dirty;

		unlink_slot(slot);
		write_file(slot);
	}
	if (dirty)
		loop_timer_start(t->loop, t, 0);
}

static void changed(struct session *s)
{
	struct proc_slot *slot = slot_of(s);

	if (slot->queued || dir < 0)
		return;
	slot->session = s;
	slot->queued = true;
	slot->prev = NULL;
	slot->next = dirty;
	if (dirty)
		dirty->prev = slot;
	dirty = slot;
	timer.fire = flush;
	if (!timer.due)
		loop_timer_start(s->mail->loop, &timer, DELAY_MS);
}

static void proc_logout(struct session *s)
{
	struct proc_slot *slot = slot_of(s);
	char name[NAME_LEN] = "";

	unlink_slot(slot);
	if (!slot->written || dir < 0)
		return;
	file_name(s, name);
	unlinkat(dir, name, 0);
}

static const struct setting settings[] = {
	{"proc_path", SETTING_STRING, "", 0, 0, &path,
		"The directory with one small file for each session; it is read at the start only. Empty: "
		"proc in the spool.",
		"CONFIG_PROC"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

static const struct control_command control[] = {
	{"who", proc_who, "", "sessions of the running server, and what they do"},
	{"kick", proc_kick, "ID", "end one of them"},
	{NULL, NULL, NULL, NULL},
};

const struct feature proc_feature = {
	.name = "proc",
	.session_size = sizeof(struct proc_slot),
	.settings = settings,
	.control = control,
	.mail_prepare = proc_prepare,
	.mail_start = proc_start,
	.mail_stop = proc_stop,
	.on_login = changed,
	.on_select = changed,
	.on_state = changed,
	.on_logout = proc_logout,
};
