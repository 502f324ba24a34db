/* SPDX-License-Identifier: 0BSD */
/* Mailbox names: CREATE, DELETE, RENAME, SUBSCRIBE.  A name is only a map to a mailbox id. */
#include "core/store/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/lib/text.h"

struct name {
	char p[MAILBOX_NAME_MAX];
	size_t len;
};

static struct str name_str(const struct name *n)
{
	return (struct str){n->p, n->len};
}

/* The stored form: INBOX in capitals, no empty level (a last '/' only says that children will
 * follow, RFC 9051 6.3.4).  -1 EINVAL. */
static int canonical(struct str in, struct name *n_r)
{
	if (in.len && in.p[in.len - 1] == '/')
		in.len--;
	if (!in.len || in.len > MAILBOX_NAME_MAX || in.p[0] == '/' || !text_is_utf8(in))
		goto refuse;
	for (size_t i = 0; i < in.len; i++)
		if ((unsigned char)in.p[i] < ' ' || in.p[i] == 0x7f ||
			(in.p[i] == '/' && (i + 1 == in.len || in.p[i + 1] == '/')))
			goto refuse;
	memcpy(n_r->p, in.p, in.len);
	n_r->len = in.len;
	if (str_istarts(in, STR("INBOX")) && (in.len == 5 || in.p[5] == '/'))
		memcpy(n_r->p, "INBOX", 5);
	return 0;
refuse:
	errno = EINVAL;
	return -1;
}

/* The mailbox or subscription of that exact name. */
static struct mailbox *entry(const struct account *a, struct str name)
{
	size_t at = names_lower(a, name);

	return at < a->boxes.n && str_eq(mailbox_name(a->boxes.v[at]), name) ? a->boxes.v[at] : NULL;
}

struct mailbox *mailbox_find(const struct account *a, struct str name)
{
	struct mailbox *m;
	struct name n;

	if (canonical(name, &n))
		return NULL;
	m = entry(a, name_str(&n));
	return m && mailbox_exists(m) ? m : NULL;
}

/* Logs the after-image and applies it. */
struct mailbox *mailbox_commit(struct store *s, struct record_mailbox *r)
{
	struct mailbox *m;
	uint64_t lsn;
	struct buf *b;

	store_begin(s);
	b = store_record_begin(s, RECORD_MAILBOX, RECORD_REQUIRED, &lsn);
	if (!r->id)
		r->id = lsn;
	r->lsn = lsn;
	record_add_mailbox(b, r);
	store_record_end(s);
	m = mailbox_apply(s, r, lsn);
	if (!m)
		b->failed = true;
	store_end(s);
	return m;
}

static uint32_t next_uidvalidity(const struct store *s)
{
	uint64_t v = (uint64_t)time(NULL);

	if (v < STORE_BUILD_DATE || v >= UINT32_MAX)
		v = STORE_BUILD_DATE;
	return v > s->uidvalidity_last ? (uint32_t)v : s->uidvalidity_last + 1;
}

static struct mailbox *drop(struct mailbox *m)
{
	struct record_mailbox r;

	mailbox_image(m, &r);
	r.flags |= MAILBOX_GONE;
	return mailbox_commit(m->account->store, &r);
}

struct mailbox *mailbox_make(struct account *a, struct str name, unsigned special_use, unsigned flags)
{
	struct mailbox *old = entry(a, name);
	struct record_mailbox r = {
		.account = a->id,
		.uidnext = 1,
		.recent = 1,
		.flags = flags | (old ? old->flags & MAILBOX_SUBSCRIBED : 0),
		.special_use = special_use,
		.highestmodseq = a->modseq + 1,
		.name = name,
	};

	if (old && !drop(old)) /* it was only a subscription */
		return NULL;
	if (!(flags & MAILBOX_NONEXISTENT))
		r.uidvalidity = next_uidvalidity(a->store);
	return mailbox_commit(a->store, &r);
}

/* Makes the levels above a name that do not exist. */
static int make_parents(struct account *a, struct str name)
{
	struct mailbox *m;
	struct str parent;

	for (size_t i = 0; i < name.len; i++) {
		if (name.p[i] != '/')
			continue;
		parent = (struct str){name.p, i};
		m = entry(a, parent);
		if ((!m || !mailbox_exists(m)) && !mailbox_make(a, parent, 0, 0))
			return -1;
	}
	return 0;
}

static int set_lsn(const struct store *s, uint64_t *lsn_r)
{
	if (lsn_r)
		*lsn_r = store_last_lsn(s);
	return 0;
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

static int levels(struct str name)
{
	int n = 1;

	for (size_t i = 0; i < name.len; i++)
		n += name.p[i] == '/';
	return n;
}

int mailbox_create(struct account *a, struct str given, unsigned special_use, uint64_t *lsn_r)
{
	struct store *s = a->store;
	struct mailbox *m;
	struct name n;
	int answer;

	if (canonical(given, &n))
		return -1;
	if (store_writable(s) || space_left(s, 0))
		return -1;
	m = entry(a, name_str(&n));
	if (m && mailbox_exists(m))
		return refuse(EEXIST);
	if (a->boxes.n + (size_t)levels(name_str(&n)) > CONFIG_MAILBOXES_MAX)
		return refuse(EMLINK);
	store_begin(s);
	answer = make_parents(a, name_str(&n)) || !mailbox_make(a, name_str(&n), special_use, 0);
	store_end(s);
	return answer ? -1 : set_lsn(s, lsn_r);
}

/* One of a new account's first mailboxes.  What is no name, or there already (a parent of another), is
 * passed over.  0 / -1 */
static int furnish_one(struct account *a, const struct mailbox_wanted *w)
{
	struct mailbox *m;
	struct name n;

	if (canonical(w->name, &n))
		return 0;
	m = entry(a, name_str(&n));
	if (m && mailbox_exists(m))
		return 0;
	return make_parents(a, name_str(&n)) || !mailbox_make(a, name_str(&n), w->use, MAILBOX_SUBSCRIBED) ? -1 : 0;
}

int account_furnish(struct account *a, const struct mailbox_wanted *v, size_t n, uint64_t *lsn_r)
{
	struct mailbox *inbox = a->boxes.n == 1 ? a->boxes.v[0] : NULL;
	struct record_mailbox r;
	int answer = 0;

	*lsn_r = 0;
	if (!n || !inbox || inbox->flags & MAILBOX_FURNISHED)
		return 0;
	if (store_writable(a->store) || space_left(a->store, 0))
		return -1;
	store_begin(a->store);
	for (size_t i = 0; i < n && !answer; i++)
		answer = furnish_one(a, &v[i]);
	mailbox_image(inbox, &r);
	r.flags |= MAILBOX_FURNISHED;
	if (!answer && !mailbox_commit(a->store, &r))
		answer = -1;
	store_end(a->store);
	return answer ? -1 : set_lsn(a->store, lsn_r);
}

static bool below(struct str name, struct str parent)
{
	return name.len > parent.len && name.p[parent.len] == '/' &&
		!memcmp(name.p, parent.p, parent.len);
}

static bool has_children(const struct account *a, struct str name)
{
	for (size_t i = names_lower(a, name); i < a->boxes.n; i++) {
		if (below(mailbox_name(a->boxes.v[i]), name) && mailbox_exists(a->boxes.v[i]))
			return true;
		if (mailbox_name(a->boxes.v[i]).len < name.len ||
			memcmp(a->boxes.v[i]->name, name.p, name.len))
			break;
	}
	return false;
}

int mailbox_delete(struct account *a, struct str given, uint64_t *lsn_r)
{
	struct store *s = a->store;
	bool subscribed;
	struct mailbox *m;
	struct name n;
	int answer = 0;

	if (canonical(given, &n))
		return -1;
	m = entry(a, name_str(&n));
	if (!m || !mailbox_exists(m))
		return refuse(ENOENT);
	if (str_eq(name_str(&n), STR("INBOX")))
		return refuse(EBUSY);
	if (has_children(a, name_str(&n)))
		return refuse(ENOTEMPTY);
	if (store_writable(s))
		return -1;
	subscribed = mailbox_subscribed(m);
	store_begin(s);
	if (s->removing)
		s->removing(m, NULL, 0);
	/* A subscription outlives its mailbox (RFC 9051 6.3.7). */
	if (!drop(m) || (subscribed && !mailbox_make(a, name_str(&n), 0,
						MAILBOX_NONEXISTENT | MAILBOX_SUBSCRIBED)))
		answer = -1;
	store_end(s);
	return answer ? -1 : set_lsn(s, lsn_r);
}

/* RFC 9051 6.3.6: INBOX stays, its messages go. */
static int rename_inbox(struct mailbox *inbox, struct str to)
{
	struct mailbox *m = mailbox_make(inbox->account, to, 0, 0);
	uint32_t *uids, n = index_count(inbox), i = 0;
	struct message msg;
	int answer;

	if (!m)
		return -1;
	uids = malloc((n ? n : 1) * sizeof(*uids));
	if (!uids)
		return -1;
	for (uint32_t uid = 0; i < n && index_next(inbox, uid, &msg) == 1; uid = msg.uid + 1)
		uids[i++] = msg.uid;
	answer = mailbox_copy(inbox, uids, i, m, true, NULL, NULL, NULL, NULL);
	free(uids);
	return answer;
}

static int rename_one(struct mailbox *m, struct str name)
{
	struct mailbox *old = entry(m->account, name);
	struct record_mailbox r;

	mailbox_image(m, &r);
	r.name = name;
	if (old) {
		r.flags |= old->flags & MAILBOX_SUBSCRIBED;
		if (!drop(old))
			return -1;
	}
	return mailbox_commit(m->account->store, &r) ? 0 : -1;
}

/* Pointers to a mailbox and all that exist below it, so that renaming may reorder the names. */
static struct mailbox **family(const struct account *a, struct mailbox *top, size_t *n_r)
{
	struct mailbox **v = malloc(a->boxes.n * sizeof(struct mailbox *));

	*n_r = 0;
	if (!v)
		return NULL;
	v[(*n_r)++] = top;
	for (size_t i = 0; i < a->boxes.n; i++)
		if (below(mailbox_name(a->boxes.v[i]), mailbox_name(top)) &&
			mailbox_exists(a->boxes.v[i]))
			v[(*n_r)++] = a->boxes.v[i];
	return v;
}

/* Moves the children with their parent in one batch; too long a name refuses all. */
static int rename_family(struct account *a, struct mailbox *top, struct str to)
{
	size_t cut = top->name_len, n, i;
	struct mailbox **v = family(a, top, &n);
	struct name name;
	struct str tail;
	int answer = -1;

	if (!v)
		return -1;
	for (i = 0; i < n; i++) {
		if (to.len + v[i]->name_len - cut <= MAILBOX_NAME_MAX)
			continue;
		errno = EINVAL;
		goto free_list;
	}
	for (i = 0; i < n; i++) {
		tail = (struct str){v[i]->name + cut, v[i]->name_len - cut};
		memcpy(name.p, to.p, to.len);
		memcpy(name.p + to.len, tail.p, tail.len);
		name.len = to.len + tail.len;
		if (rename_one(v[i], name_str(&name)))
			goto free_list;
	}
	answer = 0;
free_list:
	free(v);
	return answer;
}

int mailbox_rename(struct account *a, struct str given, struct str given_to, uint64_t *lsn_r)
{
	struct store *s = a->store;
	struct mailbox *m, *other;
	struct name from, to;
	int answer;

	if (canonical(given, &from) || canonical(given_to, &to))
		return -1;
	m = entry(a, name_str(&from));
	other = entry(a, name_str(&to));
	if (!m || !mailbox_exists(m))
		return refuse(ENOENT);
	if (other && mailbox_exists(other))
		return refuse(EEXIST);
	if (below(name_str(&to), name_str(&from)) && !str_eq(name_str(&from), STR("INBOX")))
		return refuse(EINVAL);
	if (a->boxes.n + (size_t)levels(name_str(&to)) > CONFIG_MAILBOXES_MAX)
		return refuse(EMLINK);
	if (store_writable(s) || space_left(s, 0))
		return -1;
	store_begin(s);
	answer = make_parents(a, name_str(&to));
	if (!answer && str_eq(name_str(&from), STR("INBOX")))
		answer = rename_inbox(m, name_str(&to));
	else if (!answer)
		answer = rename_family(a, m, name_str(&to));
	store_end(s);
	return answer ? -1 : set_lsn(s, lsn_r);
}

static int unsubscribe(struct mailbox *m)
{
	struct record_mailbox r;

	if (!mailbox_exists(m))
		return drop(m) ? 0 : -1;
	mailbox_image(m, &r);
	r.flags &= ~(uint32_t)MAILBOX_SUBSCRIBED;
	return mailbox_commit(m->account->store, &r) ? 0 : -1;
}

static int subscribe(struct account *a, struct mailbox *m, struct str name)
{
	struct record_mailbox r;

	if (!m)
		return mailbox_make(a, name, 0, MAILBOX_NONEXISTENT | MAILBOX_SUBSCRIBED) ? 0 : -1;
	mailbox_image(m, &r);
	r.flags |= MAILBOX_SUBSCRIBED;
	return mailbox_commit(a->store, &r) ? 0 : -1;
}

int mailbox_subscribe(struct account *a, struct str given, bool on, uint64_t *lsn_r)
{
	struct mailbox *m;
	struct name n;
	int answer;

	if (canonical(given, &n))
		return -1;
	m = entry(a, name_str(&n));
	if (lsn_r)
		*lsn_r = m ? m->lsn : 0;
	if ((m && mailbox_subscribed(m)) == on)
		return 0;
	if (!m && a->boxes.n >= CONFIG_MAILBOXES_MAX)
		return refuse(EMLINK);
	if (store_writable(a->store) || (on && space_left(a->store, 0)))
		return -1;
	answer = on ? subscribe(a, m, name_str(&n)) : unsubscribe(m);
	return answer ? -1 : set_lsn(a->store, lsn_r);
}
