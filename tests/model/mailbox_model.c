/* SPDX-License-Identifier: 0BSD */
#include "tests/model/mailbox_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/store/store.h"

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

void model_copy(struct model *to, const struct model *from)
{
	*to = *from;
	for (int i = 0; i < MODEL_ACCOUNTS; i++)
		for (unsigned j = 0; j < to->account[i].boxes; j++) {
			struct model_box *b = &to->account[i].box[j];

			if (!b->n) {
				b->v = NULL;
				continue;
			}
			b->v = must(malloc(b->n * sizeof(*b->v)));
			memcpy(b->v, from->account[i].box[j].v, b->n * sizeof(*b->v));
		}
}

void model_free(struct model *m)
{
	for (int i = 0; i < MODEL_ACCOUNTS; i++)
		for (unsigned j = 0; j < m->account[i].boxes; j++)
			free(m->account[i].box[j].v);
	memset(m, 0, sizeof(*m));
}

/* ---- names ---- */

int model_name(const char *in, char out[MODEL_NAME])
{
	size_t n = strlen(in);

	n -= n && in[n - 1] == '/';
	if (!n || in[0] == '/' || in[n - 1] == '/')
		return refuse(EINVAL);
	snprintf(out, MODEL_NAME, "%.*s", (int)n, in);
	if (strstr(out, "//"))
		return refuse(EINVAL);
	if (!strncasecmp(out, "INBOX", 5) && (!out[5] || out[5] == '/'))
		memcpy(out, "INBOX", 5);
	return 0;
}

/* Any entry of that name, also a subscription alone. */
static struct model_box *entry(struct model_account *a, const char *name)
{
	for (unsigned i = 0; i < a->boxes; i++)
		if (!strcmp(a->box[i].name, name))
			return &a->box[i];
	return NULL;
}

struct model_box *model_find(struct model_account *a, const char *name)
{
	char canonical[MODEL_NAME];
	struct model_box *b = model_name(name, canonical) ? NULL : entry(a, canonical);

	return b && b->exists ? b : NULL;
}

struct model_box *model_by_id(struct model_account *a, uint64_t id)
{
	for (unsigned i = 0; i < a->boxes; i++)
		if (a->box[i].id == id)
			return &a->box[i];
	return NULL;
}

static int by_name(const void *x, const void *y)
{
	return strcmp(((const struct model_box *)x)->name, ((const struct model_box *)y)->name);
}

static void sort(struct model_account *a)
{
	qsort(a->box, a->boxes, sizeof(a->box[0]), by_name);
}

static void drop(struct model_account *a, struct model_box *b)
{
	free(b->v);
	memmove(b, b + 1, (size_t)(a->box + a->boxes - (b + 1)) * sizeof(*b));
	a->boxes--;
}

/* Moves what is there out of the way: only a subscription may be. */
static void make(struct model_account *a, const char *name, unsigned use, bool exists, bool subscribed)
{
	struct model_box *b = entry(a, name);

	if (b) {
		subscribed |= b->subscribed;
		drop(a, b);
	}
	if (a->boxes == MODEL_BOXES)
		abort();
	b = &a->box[a->boxes++];
	*b = (struct model_box){
		.exists = exists,
		.subscribed = subscribed,
		.raised = true,
		.use = use,
		.uidnext = 1,
	};
	snprintf(b->name, sizeof(b->name), "%s", name);
	sort(a);
}

static void make_parents(struct model_account *a, const char *name)
{
	char parent[MODEL_NAME];

	for (size_t i = 0; name[i]; i++) {
		if (name[i] != '/')
			continue;
		snprintf(parent, sizeof(parent), "%.*s", (int)i, name);
		if (!model_find(a, parent))
			make(a, parent, 0, true, false);
	}
}

void model_account_create(struct model_account *a)
{
	a->exists = true;
	make(a, "INBOX", 0, true, false);
}

int model_create(struct model_account *a, const char *given, unsigned use)
{
	char name[MODEL_NAME];

	if (model_name(given, name))
		return -1;
	if (model_find(a, name))
		return refuse(EEXIST);
	make_parents(a, name);
	make(a, name, use, true, false);
	return 0;
}

static bool below(const char *name, const char *parent)
{
	size_t n = strlen(parent);

	return !strncmp(name, parent, n) && name[n] == '/';
}

int model_delete(struct model_account *a, const char *given)
{
	char name[MODEL_NAME];
	struct model_box *b;
	bool subscribed;

	if (model_name(given, name))
		return -1;
	b = model_find(a, name);
	if (!b)
		return refuse(ENOENT);
	if (!strcmp(name, "INBOX"))
		return refuse(EBUSY);
	for (unsigned i = 0; i < a->boxes; i++)
		if (a->box[i].exists && below(a->box[i].name, name))
			return refuse(ENOTEMPTY);
	subscribed = b->subscribed;
	drop(a, b);
	if (subscribed)
		make(a, name, 0, false, true);
	return 0;
}

static void rename_family(struct model_account *a, const char *from, const char *to)
{
	char names[MODEL_BOXES][MODEL_NAME], target[2 * MODEL_NAME];
	struct model_box *b, *old;
	unsigned n = 0;

	for (unsigned i = 0; i < a->boxes; i++)
		if (a->box[i].exists && (!strcmp(a->box[i].name, from) || below(a->box[i].name, from)))
			strcpy(names[n++], a->box[i].name);
	for (unsigned i = 0; i < n; i++) {
		bool subscribed = false;

		snprintf(target, sizeof(target), "%s%s", to, names[i] + strlen(from));
		if (strlen(target) >= MODEL_NAME)
			abort();
		old = entry(a, target);
		if (old) {
			subscribed = old->subscribed;
			drop(a, old);
		}
		b = entry(a, names[i]);
		strcpy(b->name, target);
		b->subscribed |= subscribed;
		sort(a);
	}
}

static void rename_inbox(struct model_account *a, const char *to)
{
	struct model_box *inbox;
	uint32_t *uids;

	make(a, to, 0, true, false);
	inbox = entry(a, "INBOX");
	uids = must(malloc((inbox->n + 1) * sizeof(*uids)));
	for (size_t i = 0; i < inbox->n; i++)
		uids[i] = inbox->v[i].uid;
	model_copy_messages(inbox, uids, inbox->n, entry(a, to), true);
	free(uids);
}

int model_rename(struct model_account *a, const char *given, const char *given_to)
{
	char from[MODEL_NAME], to[MODEL_NAME];

	if (model_name(given, from) || model_name(given_to, to))
		return -1;
	if (!model_find(a, from))
		return refuse(ENOENT);
	if (model_find(a, to))
		return refuse(EEXIST);
	if (below(to, from) && strcmp(from, "INBOX"))
		return refuse(EINVAL);
	make_parents(a, to);
	if (!strcmp(from, "INBOX"))
		rename_inbox(a, to);
	else
		rename_family(a, from, to);
	return 0;
}

int model_subscribe(struct model_account *a, const char *given, bool on)
{
	char name[MODEL_NAME];
	struct model_box *b;

	if (model_name(given, name))
		return -1;
	b = entry(a, name);
	if (b && on)
		b->subscribed = true;
	else if (on)
		make(a, name, 0, false, true);
	else if (b && b->exists)
		b->subscribed = false;
	else if (b)
		drop(a, b);
	return 0;
}

/* ---- messages ---- */

static unsigned count(keyword_set k)
{
	unsigned n = 0;

	for (; k; k &= k - 1)
		n++;
	return n;
}

keyword_set model_keywords(struct model_box *b, keyword_set wanted)
{
	for (unsigned i = 0; i < MODEL_KEYWORDS; i++)
		if (wanted & KEYWORD(i) & ~b->table && count(b->table) < MODEL_TABLE)
			b->table |= KEYWORD(i);
	return wanted & b->table;
}

struct model_message *model_message(const struct model_box *b, uint32_t uid)
{
	size_t lo = 0, hi = b->n, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (b->v[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < b->n && b->v[lo].uid == uid ? &b->v[lo] : NULL;
}

void model_append(struct model_box *b, const struct model_message *msg)
{
	b->v = must(realloc(b->v, (b->n + 1) * sizeof(*b->v)));
	b->v[b->n] = *msg;
	b->v[b->n].uid = b->uidnext++;
	b->v[b->n++].modseq = 0;
	b->raised = true;
}

void model_flag(struct model_box *b, const uint32_t *uids, size_t n, int op, uint32_t flags,
	keyword_set keywords)
{
	struct model_message *m, old;

	for (size_t i = 0; i < n; i++) {
		m = model_message(b, uids[i]);
		if (!m)
			continue;
		old = *m;
		if (op == MESSAGE_SET) {
			m->flags = flags;
			m->keywords = keywords;
		} else if (op == MESSAGE_ADD) {
			m->flags |= flags;
			m->keywords |= keywords;
		} else {
			m->flags &= ~flags;
			m->keywords &= ~keywords;
		}
		if (m->flags == old.flags && m->keywords == old.keywords)
			continue;
		m->modseq = 0;
		b->raised = true;
	}
}

void model_expunge(struct model_box *b, const uint32_t *uids, size_t n)
{
	struct model_message *m;

	for (size_t i = 0; i < n; i++) {
		m = model_message(b, uids[i]);
		if (!m)
			continue;
		b->raised = true;
		memmove(m, m + 1, (size_t)(b->v + b->n - (m + 1)) * sizeof(*m));
		b->n--;
	}
}

size_t model_copy_messages(struct model_box *from, const uint32_t *uids, size_t n, struct model_box *to,
	bool move)
{
	uint32_t next = from->uidnext; /* copies beside their originals are not copied again */
	struct model_message *m, copy;
	size_t done = 0;

	for (size_t i = 0; i < n && uids[i] < next; i++) {
		m = model_message(from, uids[i]);
		if (!m)
			continue;
		copy = *m;
		if (from != to)
			copy.keywords = model_keywords(to, copy.keywords);
		model_append(to, &copy);
		done++;
	}
	while (n && uids[n - 1] >= next)
		n--;
	if (move)
		model_expunge(from, uids, n);
	return done;
}
