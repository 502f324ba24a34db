/* SPDX-License-Identifier: 0BSD */
/* Accounts, and what mailboxes say of themselves. */
#include "core/store/state.h"

#include <errno.h>
#include <string.h>

static struct account *create(struct store *s, struct str name)
{
	struct record_account r = {.name = name};
	struct account *a;
	struct buf *b;

	store_begin(s);
	b = store_record_begin(s, RECORD_ACCOUNT, RECORD_REQUIRED, &r.id);
	record_add_account(b, &r);
	store_record_end(s);
	a = account_add(s, &r);
	if (!a || !mailbox_make(a, STR("INBOX"), 0, 0)) {
		s->filling->meta.failed = true;
		a = NULL;
	}
	store_end(s);
	return a;
}

int account_open(struct store *s, struct str name, bool make, struct account **a_r)
{
	int answer = account_get_name(s, name, a_r);

	if (answer || !make)
		return answer;
	if (!name.len || name.len > ACCOUNT_NAME_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (store_writable(s) || space_left(s, 0))
		return -1;
	*a_r = create(s, name);
	return *a_r ? 1 : -1;
}

struct str account_name(const struct account *a)
{
	return (struct str){a->name, a->name_len};
}

uint64_t account_id(const struct account *a)
{
	return a->id;
}

struct store *account_store(const struct account *a)
{
	return a->store;
}

uint64_t account_lsn(const struct account *a)
{
	return a->lsn;
}

uint64_t account_modseq(const struct account *a)
{
	return a->modseq;
}

uint32_t account_mailbox_count(const struct account *a)
{
	return (uint32_t)a->boxes.n;
}

struct mailbox *account_mailbox(const struct account *a, uint32_t i)
{
	return i < a->boxes.n ? a->boxes.v[i] : NULL;
}

bool mailbox_exists(const struct mailbox *m)
{
	return !(m->flags & (MAILBOX_NONEXISTENT | MAILBOX_GONE));
}

bool mailbox_subscribed(const struct mailbox *m)
{
	return m->flags & MAILBOX_SUBSCRIBED;
}

unsigned mailbox_special_use(const struct mailbox *m)
{
	return m->special_use;
}

struct account *mailbox_account(const struct mailbox *m)
{
	return m->account;
}

struct str mailbox_name(const struct mailbox *m)
{
	return (struct str){m->name, m->name_len};
}

uint64_t mailbox_id(const struct mailbox *m)
{
	return m->id;
}

uint32_t mailbox_uidvalidity(const struct mailbox *m)
{
	return m->uidvalidity;
}

uint32_t mailbox_uidnext(const struct mailbox *m)
{
	return m->uidnext;
}

uint64_t mailbox_highestmodseq(const struct mailbox *m)
{
	return m->highestmodseq;
}

uint64_t mailbox_lsn(const struct mailbox *m)
{
	return m->lsn;
}

uint32_t mailbox_messages(const struct mailbox *m)
{
	return index_count(m);
}

uint32_t mailbox_unseen(const struct mailbox *m)
{
	return index_unseen(m);
}

uint32_t mailbox_deleted(const struct mailbox *m)
{
	return index_deleted(m);
}

uint64_t mailbox_bytes(const struct mailbox *m)
{
	return index_bytes(m);
}

uint64_t mailbox_deleted_bytes(const struct mailbox *m)
{
	return index_deleted_bytes(m);
}

uint32_t mailbox_recent(const struct mailbox *m)
{
	return index_count(m) - index_rank(m, m->recent_from);
}

struct str mailbox_keyword_name(const struct mailbox *m, unsigned i)
{
	return i < m->keywords ? str_from(m->keyword[i]) : STR_NULL;
}

int mailbox_keyword(struct mailbox *m, struct str name, bool make)
{
	struct record_mailbox r;

	for (unsigned i = 0; i < m->keywords; i++)
		if (str_ieq(str_from(m->keyword[i]), name))
			return (int)i;
	if (!make || !mailbox_exists(m)) {
		errno = ENOENT;
		return -1;
	}
	if (m->keywords >= CONFIG_KEYWORDS_MAX || !name.len || name.len > KEYWORD_MAX) {
		errno = EMLINK;
		return -1;
	}
	if (store_writable(m->account->store))
		return -1;
	mailbox_image(m, &r);
	r.keyword[r.keywords++] = name;
	return mailbox_commit(m->account->store, &r) ? (int)m->keywords - 1 : -1;
}
