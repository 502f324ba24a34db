/* SPDX-License-Identifier: 0BSD */
/*
 * Records that the log has lost, and the checkpoint's files still repeat, are written to the log again:
 * the same images with new LSNs, as compaction writes them.  Then the log gives back all of the state
 * once more, and losing those files is harmless.
 */
#include "features/store/fsck/fsck.h"

#include <errno.h>

#include "core/store/kv.h"

#define AT_ONCE 1000 /* entries in one batch */

void fsck_lack(struct fsck *f, const struct account *a, const struct mailbox *m, const struct message *msg)
{
	struct fsck_lack l = {.account = account_id(a), .mailbox = m ? mailbox_id(m) : 0};

	if (msg)
		l.msg = *msg;
	if (vec_push(&f->lacks, l))
		f->out.failed = true;
}

void fsck_lack_key(struct fsck *f, uint16_t space, struct str key)
{
	buf_put16(&f->lack_keys, space);
	buf_put32(&f->lack_keys, (uint32_t)key.len);
	buf_addstr(&f->lack_keys, key);
}

static void write_account(struct store *s, const struct account *a)
{
	struct record_account r = {.id = account_id(a), .modseq = account_modseq(a), .name = account_name(a)};
	uint64_t lsn;

	record_add_account(store_record_begin(s, RECORD_ACCOUNT, RECORD_REQUIRED, &lsn), &r);
	store_record_end(s);
}

static void write_mailbox(struct store *s, const struct mailbox *m)
{
	struct record_mailbox r;
	uint64_t lsn;

	mailbox_image(m, &r);
	record_add_mailbox(store_record_begin(s, RECORD_MAILBOX, RECORD_REQUIRED, &lsn), &r);
	store_record_end(s);
}

/* Bytes that cannot be read, or do not match, are left where they are.  0 / -1 + errno. */
static int write_blob(struct store *s, uint64_t id)
{
	struct blob *b = id ? blob_find(s, id) : NULL;
	struct scan_source src;
	struct record_blob r;
	struct buf bytes = {0};
	int answer;

	if (!b || !b->segment || b->moving)
		return 0;
	src = (struct scan_source){.fd = segment_fd(s, b->segment), .size = b->segment->size};
	r = (struct record_blob){.kind = b->kind, .summary_len = b->summary_len, .summary_crc = b->summary_crc,
		.body_len = b->body_len, .body_crc = b->body_crc};
	if (src.fd < 0 || scan_blob(&src, b->offset, &r) != 1 ||
		scan_read(&src, b->offset, format_align(b->summary_len, 8) + record_blob_bytes(&r), &bytes)) {
		buf_free(&bytes);
		return 0;
	}
	answer = batch_move(s, b, buf_str(&bytes));
	buf_free(&bytes);
	return answer;
}

static int write_message(struct store *s, const struct fsck_lack *l)
{
	struct buf *b;
	uint64_t lsn;

	if (!(l->msg.flags & MESSAGE_EXPUNGED) && (write_blob(s, l->msg.blob) || write_blob(s, l->msg.prefix)))
		return -1;
	b = store_record_begin(s, RECORD_MESSAGES, RECORD_REQUIRED, &lsn);
	record_add_messages(b, l->mailbox, 1);
	message_encode(b, &l->msg, &s->key);
	store_record_end(s);
	return 0;
}

static int write_lack(struct store *s, const struct fsck_lack *l)
{
	struct mailbox *m = NULL;
	struct account *a;

	if (!l->mailbox) {
		if (account_get(s, l->account, &a) == 1)
			write_account(s, a);
		return 0;
	}
	if (l->msg.uid)
		return write_message(s, l);
	if (mailbox_get(s, l->mailbox, &m) == 1)
		write_mailbox(s, m);
	return 0;
}

static void write_key(struct store *s, uint16_t space, struct str key)
{
	struct buf value = {0};
	struct record_kv r = {.space = space, .key = key};
	int found = store_kv_get(s, space, key, &value, &r.lsn);
	uint64_t lsn;

	r.removed = !found;
	r.value = buf_str(&value);
	if (found >= 0 && !value.failed) {
		record_add_kv(store_record_begin(s, RECORD_KV, RECORD_REQUIRED, &lsn), &r);
		store_record_end(s);
	}
	buf_free(&value);
}

int fsck_heal(struct fsck *f, struct store *s)
{
	struct cursor c = cursor_from(buf_str(&f->lack_keys));
	uint16_t space;
	int answer = 0;

	for (size_t i = 0; !answer && i < f->lacks.n; i++) {
		if (i % AT_ONCE == 0)
			commit_flush(s);
		store_begin(s);
		answer = write_lack(s, &f->lacks.v[i]);
		store_end(s);
	}
	store_begin(s);
	while (!answer && !cursor_done(&c)) {
		space = cursor_u16(&c);
		write_key(s, space, cursor_take(&c, cursor_u32(&c)));
	}
	store_end(s);
	commit_flush(s);
	if (!answer && !store_failed(s))
		return 0;
	errno = answer ? errno : EIO;
	return -1;
}
