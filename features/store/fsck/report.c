/* SPDX-License-Identifier: 0BSD */
/* What fsck says: findings, what they mean, and progress. */
#include "features/store/fsck/fsck.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/file.h"

#define PROGRESS_MS 200

static const struct {
	const char *word, *means;
	bool rebuild; /* repaired by making index and key-value files anew */
} kinds[FSCK_KINDS] = {
	[FSCK_IDENTITY] = {"identity", "The file `spool` holds the salt that all checksums begin with. "
		"The segments name it too: --repair writes the file anew from them.", false},
	[FSCK_HEADER] = {"segment header", "The first 512 bytes of a segment are for people and tools; no "
		"mail is lost. Segments are never rewritten, so this stays.", false},
	[FSCK_SWAPPED] = {"swapped", "The file holds the records of another segment than its name says, so the "
		"server does not start. Nothing is lost: --repair gives it its own name.", false},
	[FSCK_BATCH] = {"batch", "A batch of records cannot be read as a whole. Records in it that are good "
		"are used, the others are lost: restore what they named from a backup, unless a checkpoint "
		"holds it. --repair copies the bytes to lost/.", false},
	[FSCK_CHAIN] = {"chain", "A batch does not follow the one before it. Records between them are lost, "
		"or a file of another time was put here.", false},
	[FSCK_MISSING] = {"missing", "Segments that should be there are not, and no compaction removed them. "
		"Put the files back, or restore a backup.", false},
	[FSCK_RECORD] = {"record", "A record's checksum is good and its contents make no sense. It is passed "
		"over.", false},
	[FSCK_BODY] = {"body", "The bytes of one message do not match their checksum. This message cannot be "
		"read; all others can. Restore it from a backup or expunge it. --repair copies the bytes "
		"to lost/.", false},
	[FSCK_TAIL] = {"tail", "The last batch was being written when the machine stopped. Nobody was told "
		"that it is durable. The next start cuts it and keeps its bytes in lost/.", false},
	[FSCK_LACKING] = {"lacking", "The log has lost a record of this, and the checkpoint's files still have what "
		"it said. Nothing is lost yet: --repair writes it to the log again.", false},
	[FSCK_CHECKPOINT] = {"checkpoint", "The server does not start with these files. They repeat what the "
		"log says: --repair makes them anew from it.", true},
	[FSCK_INDEX] = {"index", "A mailbox differs from what the log says about it. --repair makes all "
		"index files anew from the log.", true},
	[FSCK_MAP] = {"map", "The blob map, which says where in the log each message's bytes stand, is damaged or "
		"differs from the log. Messages may be unreadable until --repair makes it anew.", true},
	[FSCK_KEY] = {"key", "An entry of the key-value files differs from what the log says. --repair makes "
		"them anew from the log.", true},
	[FSCK_MESSAGE] = {"message", "A message of this mailbox cannot be read. Restore it from a backup, or "
		"expunge it.", false},
	[FSCK_LARGE] = {"large message", "The file that holds the bytes of one message is not as it was "
		"written. Parts of the message before and behind the place can be read. Put the file back "
		"from a backup, or expunge the message.", false},
	[FSCK_ORPHAN] = {"orphan", "A large message was coming in, or was just expunged, when the machine "
		"stopped. The next start, or --repair, removes the file.", false},
	[FSCK_NEWER] = {"newer version", "A newer program wrote this. Use that one; nothing is touched.", false},
};

static void flush(struct fsck *f)
{
	if (f->terminal)
		file_write_all(STDERR_FILENO, STR("\r\x1b[K"));
	if (!f->silent)
		file_write_all(STDOUT_FILENO, buf_str(&f->out));
	buf_clear(&f->out);
}

static void count(struct fsck *f, enum fsck_kind kind)
{
	if (kind != FSCK_TAIL && kind != FSCK_ORPHAN)
		f->damage++;
	f->rebuild |= kinds[kind].rebuild;
	f->refused |= kind == FSCK_NEWER;
	if (!f->found[kind]++ && f->explain)
		buf_addv(&f->out, "    ", kinds[kind].means, "\n", NULL);
}

void fsck_report(struct fsck *f, enum fsck_kind kind, const char *file, uint64_t offset, const char *text)
{
	buf_addv(&f->out, kinds[kind].word, ": ", file, ": ", NULL);
	if (offset) {
		buf_adds(&f->out, "offset ");
		buf_addu(&f->out, offset);
		buf_adds(&f->out, ": ");
	}
	buf_addv(&f->out, text, "\n", NULL);
	count(f, kind);
	flush(f);
}

void fsck_lost_name(char name[40], uint64_t segment, uint64_t at)
{
	struct buf b = {0};

	segment_name(name, segment);
	buf_addc(&b, '-');
	buf_addhex(&b, at, 8);
	buf_addc(&b, 0);
	if (!b.failed && b.len <= 40 - SEGMENT_NAME_SIZE)
		memcpy(name + SEGMENT_NAME_SIZE - 1, b.data + b.off, b.len);
	buf_free(&b);
}

void fsck_report_log(struct fsck *f, enum fsck_kind kind, uint64_t segment, uint64_t at, uint64_t n,
	const char *text)
{
	struct fsck_range range = {segment, at, n};
	char path[48] = "lost/";
	char file[8 + SEGMENT_NAME_SIZE] = "log/";

	fsck_lost_name(path + 5, segment, at);
	if (n && kind != FSCK_TAIL && !faccessat(f->dirfd, path, F_OK, 0)) {
		f->known++;
		return;
	}
	segment_name(file + 4, segment);
	fsck_report(f, kind, file, at, text);
	if (n && kind != FSCK_TAIL && vec_push(&f->ranges, range))
		f->out.failed = true;
}

void fsck_progress(struct fsck *f, const char *what, uint64_t done, uint64_t total)
{
	struct buf line = {0};
	struct timespec t;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	if (!f->terminal || !total || now - f->shown < PROGRESS_MS)
		return;
	f->shown = now;
	buf_addv(&line, "\r\x1b[K", what, " ", NULL);
	buf_addu(&line, done * 100 / total);
	buf_adds(&line, " %");
	file_write_all(STDERR_FILENO, buf_str(&line));
	buf_free(&line);
}

static void figure(struct fsck *f, uint64_t n, const char *what)
{
	buf_addu(&f->out, n);
	buf_addv(&f->out, " ", what, NULL);
}

void fsck_summary(struct fsck *f)
{
	figure(f, f->segments.n, "segments, ");
	figure(f, f->batches, "batches, ");
	figure(f, f->records, "records, ");
	figure(f, f->blobs, "bodies and prefixes, ");
	figure(f, f->messages, "messages: ");
	if (f->damage)
		figure(f, f->damage, "findings");
	else
		buf_adds(&f->out, "clean");
	if (f->known) {
		buf_adds(&f->out, "; ");
		figure(f, f->known, "damaged places are known: their bytes are in lost/");
	}
	buf_addc(&f->out, '\n');
	reserve_describe(f->dirfd, &f->out);
	flush(f);
}
