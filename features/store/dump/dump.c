/* SPDX-License-Identifier: 0BSD */
/* `satchel dump`: the log as text, one line for each record, in order.  Nothing is changed, no lock taken. */
#include "core/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/file.h"
#include "core/store/scan.h"
#include "core/store/state.h"

#define FLUSH_BYTES 65536

struct dump {
	struct format_key key;
	struct buf out;
	int fd;
	const char *name; /* of the segment */
};

struct names {
	uint64_t *v;
	size_t n, cap;
};

static void number(struct dump *d, const char *key, uint64_t value)
{
	buf_addv(&d->out, " ", key, "=", NULL);
	buf_addu(&d->out, value);
}

/* Names and keys as text; bytes that could break a line as %XX. */
static void text(struct dump *d, const char *key, struct str value)
{
	unsigned char byte;

	buf_addv(&d->out, " ", key, "=", NULL);
	for (size_t i = 0; i < value.len; i++) {
		byte = (unsigned char)value.p[i];
		if (byte > ' ' && byte < 0x7f && byte != '%') {
			buf_addc(&d->out, (char)byte);
			continue;
		}
		buf_addc(&d->out, '%');
		buf_addhex(&d->out, byte, 2);
	}
}

static int flush(struct dump *d, size_t above)
{
	int answer;

	if (d->out.failed) {
		errno = ENOMEM;
		return -1;
	}
	if (d->out.len <= above)
		return 0;
	answer = file_write_all(d->fd, buf_str(&d->out));
	buf_clear(&d->out);
	return answer;
}

static void dump_account(struct dump *d, struct str payload)
{
	struct record_account r;

	buf_adds(&d->out, " ACCOUNT");
	if (!record_read_account(payload, &r))
		text(d, "name", r.name);
}

static void dump_mailbox(struct dump *d, struct str payload)
{
	struct record_mailbox r;

	buf_adds(&d->out, " MAILBOX");
	if (record_read_mailbox(payload, &r))
		return;
	number(d, "id", r.id);
	number(d, "account", r.account);
	text(d, "name", r.name);
	number(d, "uidvalidity", r.uidvalidity);
	number(d, "uidnext", r.uidnext);
	number(d, "flags", r.flags);
	number(d, "modseq", r.highestmodseq);
	number(d, "keywords", r.keywords);
}

static void dump_messages(struct dump *d, struct str payload)
{
	struct message first = {0}, last;
	uint32_t count, dead = 0, bad = 0;
	struct cursor c;
	uint64_t id;

	buf_adds(&d->out, " MESSAGES");
	if (record_read_messages(payload, &id, &count, &c))
		return;
	for (uint32_t i = 0; i < count; i++) {
		bad += !message_decode(&c, &d->key, &last);
		dead += !!(last.flags & MESSAGE_EXPUNGED);
		if (!i)
			first = last;
	}
	number(d, "mailbox", id);
	number(d, "count", count);
	number(d, "uid", first.uid);
	number(d, "flags", first.flags & ~MESSAGE_EXPUNGED);
	number(d, "modseq", first.modseq);
	number(d, "size", first.size);
	number(d, "blob", first.blob);
	number(d, "prefix", first.prefix);
	number(d, "expunged", dead);
	if (bad)
		number(d, "damaged", bad);
}

static void dump_blob(struct dump *d, struct str payload)
{
	struct record_blob r;

	buf_adds(&d->out, " BLOB");
	if (record_read_blob(payload, &r))
		return;
	text(d, "kind", r.kind == BLOB_PREFIX ? STR("prefix") : STR("body"));
	number(d, "size", r.body_len);
	number(d, "summary", r.summary_len);
	number(d, "at", r.offset);
}

static void dump_large(struct dump *d, struct str payload)
{
	struct record_blob r;
	uint64_t id;

	buf_adds(&d->out, " LARGE");
	if (record_read_move(payload, &id, &r))
		return;
	number(d, "id", id);
	number(d, "size", r.body_len);
	number(d, "summary", r.summary_len);
	number(d, "at", r.offset);
}

static void dump_kv(struct dump *d, struct str payload)
{
	struct record_kv r;

	buf_adds(&d->out, " KV");
	if (record_read_kv(payload, &r))
		return;
	number(d, "space", r.space);
	text(d, "key", r.key);
	if (r.removed)
		buf_adds(&d->out, " removed");
	else
		number(d, "value-bytes", r.value.len);
}

static void dump_numbers(struct dump *d, const char *type, const char *one, const char *two, struct str payload)
{
	struct cursor c = cursor_from(payload);

	buf_addv(&d->out, " ", type, NULL);
	number(d, one, cursor_u64(&c));
	number(d, two, cursor_u64(&c));
}

static void dump_record(struct dump *d, uint64_t at, const struct record *r)
{
	buf_addv(&d->out, d->name, NULL);
	number(d, "offset", at);
	number(d, "lsn", r->lsn);
	switch (r->type) {
	case RECORD_ACCOUNT:
		dump_account(d, r->payload);
		break;
	case RECORD_MAILBOX:
		dump_mailbox(d, r->payload);
		break;
	case RECORD_MESSAGES:
		dump_messages(d, r->payload);
		break;
	case RECORD_BLOB:
		dump_blob(d, r->payload);
		break;
	case RECORD_OPEN:
		buf_adds(&d->out, " OPEN");
		break;
	case RECORD_LARGE:
		dump_large(d, r->payload);
		break;
	case RECORD_KV:
		dump_kv(d, r->payload);
		break;
	case RECORD_MARK:
		dump_numbers(d, "MARK", "durable", "clean-end", r->payload);
		break;
	case RECORD_EPOCH:
		dump_numbers(d, "EPOCH", "epoch", "time", r->payload);
		break;
	default:
		number(d, "type", r->type);
		number(d, "bytes", r->payload.len);
	}
	buf_addc(&d->out, '\n');
}

static int dump_segment(struct dump *d, const struct scan_source *src)
{
	uint64_t at = SEGMENT_HEADER_SIZE, next;
	struct batch_header h;
	struct buf meta = {0};
	struct record r;
	struct cursor c;
	int answer = 0, more;

	for (; !answer; at += batch_size(&h)) {
		next = at;
		if (scan_next(src, &d->key, &next, &h) != 1)
			break;
		if (next != at) {
			buf_addv(&d->out, d->name, NULL);
			number(d, "offset", at);
			number(d, "DAMAGED-bytes", next - at);
			buf_addc(&d->out, '\n');
			at = next;
		}
		if (scan_batch(src, &d->key, at, &h, &meta) != 1)
			break;
		c = cursor_from(buf_str(&meta));
		while ((more = record_next(&c, &d->key, &r)) == 1)
			dump_record(d, at, &r);
		answer = flush(d, FLUSH_BYTES);
	}
	buf_free(&meta);
	return answer;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int list(int logfd, struct names *names)
{
	int fd = openat(logfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), answer = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	uint64_t first;

	if (!dir)
		return -1;
	while (!answer && (e = readdir(dir)))
		if (segment_name_read(e->d_name, &first))
			answer = vec_push(names, first);
	closedir(dir);
	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), by_number);
	return answer;
}

static int dump_file(struct dump *d, int logfd, uint64_t first)
{
	char name[SEGMENT_NAME_SIZE];
	struct scan_source src;
	struct stat st;
	int answer = -1;

	segment_name(name, first);
	d->name = name;
	src.fd = openat(logfd, name, O_RDONLY | O_CLOEXEC);
	if (src.fd < 0)
		return -1;
	if (!fstat(src.fd, &st)) {
		src.size = (uint64_t)st.st_size;
		answer = dump_segment(d, &src);
	}
	close(src.fd);
	return answer;
}

static int dump_log(struct dump *d, int dirfd, struct buf *error)
{
	int logfd = openat(dirfd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC), answer;
	struct names names = {0};

	answer = logfd < 0 ? -1 : list(logfd, &names);
	for (size_t i = 0; i < names.n && !answer; i++)
		answer = dump_file(d, logfd, names.v[i]);
	if (!answer)
		answer = flush(d, 0);
	if (answer)
		buf_addv(error, "log: ", strerror(errno), NULL);
	free(names.v);
	if (logfd >= 0)
		close(logfd);
	return answer;
}

static int dump_spool(const char *dir, int fd, struct buf *error)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), answer = -1;
	struct dump d = {.fd = fd};
	struct buf spool = {0};
	uint16_t version;

	if (dirfd < 0 || file_read(dirfd, "spool", 4096, &spool))
		buf_addv(error, dir, "/spool: ", strerror(errno), NULL);
	else if (spool_read(buf_str(&spool), &d.key, &version) != 1)
		buf_addv(error, dir, "/spool: not a spool that this program can read", NULL);
	else
		answer = dump_log(&d, dirfd, error);
	buf_free(&spool);
	buf_free(&d.out);
	if (dirfd >= 0)
		close(dirfd);
	return answer;
}

static int dump_cli(const char *data, int argc, char **argv)
{
	struct buf error = {0};
	int status = 0;

	if (argc > 1) {
		buf_addv(&error, "dump: what is this: ", argv[1], NULL);
		status = 2;
	} else if (dump_spool(data, STDOUT_FILENO, &error)) {
		status = 1;
	}
	if (status) {
		buf_addc(&error, '\n');
		file_write_all(STDERR_FILENO, buf_str(&error));
	}
	buf_free(&error);
	return status;
}

static const struct cli_command cli[] = {
	{"dump", "", "print a line for each record of the log", dump_cli},
	{NULL, NULL, NULL, NULL},
};

const struct feature dump_feature = {
	.name = "dump",
	.cli = cli,
};
