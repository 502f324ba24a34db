/* SPDX-License-Identifier: 0BSD */
#include <stdlib.h>
#include <string.h>

#include "tests/model/world.h"

struct session {
	struct view *v;
	int account;
	uint64_t id;
	struct belief {
		uint32_t uid, flags;
		uint64_t keywords;
	} *list;
	size_t n;
};

static void learn(struct session *e, size_t to)
{
	struct message msg;

	e->list = realloc(e->list, (to + 1) * sizeof(*e->list));
	if (!e->list)
		abort();
	for (; e->n < to; e->n++) {
		struct belief *b = &e->list[e->n];

		if (view_message(e->v, (uint32_t)e->n + 1, &msg) != 1)
			world_differs("a message is announced that is not there");
		*b = (struct belief){msg.uid, msg.flags, msg.keywords};
		if (e->n && b[-1].uid >= b->uid)
			world_differs("UIDs do not ascend with the numbers");
		if (view_uid(e->v, (uint32_t)e->n + 1) != msg.uid)
			world_differs("view_uid() and view_message() disagree");
	}
}

struct session *session_open(struct store *s, struct model *m, int account, struct model_box *b)
{
	struct mailbox *box = world_box(s, account, b);
	struct session *e = calloc(1, sizeof(*e));

	(void)m;
	if (!e || !box)
		abort();
	e->v = view_open(box, world_chance(2));
	e->account = account;
	e->id = b->id;
	if (view_exists(e->v) != b->n)
		world_differs("EXISTS of a new session");
	learn(e, b->n);
	return e;
}

void session_close(struct session **at)
{
	struct session *e = *at;

	*at = NULL;
	if (!e)
		return;
	view_close(&e->v);
	free(e->list);
	free(e);
}

static struct model_box *box_of(const struct session *e, struct model *m)
{
	return model_by_id(&m->account[e->account], e->id);
}

bool session_has(const struct session *e, int account, uint64_t id)
{
	return e && e->account == account && e->id == id;
}

bool session_alive(const struct session *e)
{
	return view_alive(e->v);
}

static void check_number(const struct session *e, const struct model_box *box, size_t i)
{
	uint32_t uid = e->list[i].uid, seq = (uint32_t)i + 1;
	struct message msg;

	if (view_uid(e->v, seq) != uid)
		world_differs("a sequence number shifted untold");
	if (view_seq(e->v, uid) != seq || view_seq_from(e->v, uid) != seq)
		world_differs("the number of a UID");
	if (view_seq_from(e->v, uid + 1) != seq + 1)
		world_differs("the first number at or after a UID");
	if (view_message(e->v, seq, &msg) != !!model_message(box, uid))
		world_differs("an expunged message is there, or a living one is not");
}

static uint32_t first_unseen(const struct session *e, const struct model_box *box)
{
	const struct model_message *m;

	for (size_t i = 0; i < e->n; i++) {
		m = model_message(box, e->list[i].uid);
		if (m && !(m->flags & MESSAGE_SEEN))
			return (uint32_t)i + 1;
	}
	return 0;
}

void session_check(struct session *e, struct model *m)
{
	struct model_box *box = box_of(e, m);
	size_t step = 1 + e->n / 40;

	if (view_alive(e->v) != !!box)
		world_differs("whether a selected mailbox is alive");
	if (!box)
		return;
	if (view_exists(e->v) != e->n)
		world_differs("EXISTS changed untold");
	for (size_t i = world_chance((unsigned)step); i < e->n; i += step)
		check_number(e, box, i);
	if (view_last_uid(e->v) != (e->n ? e->list[e->n - 1].uid : 0))
		world_differs("the last UID of a session");
	if (view_uid(e->v, (uint32_t)e->n + 1) || view_uid(e->v, 0))
		world_differs("a number out of range has a UID");
	if (view_first_unseen(e->v) != first_unseen(e, box))
		world_differs("the first unseen of a session");
	if (view_recent(e->v) > e->n)
		world_differs("more recent messages than there are");
}

static void told_expunge(void *arg, uint32_t seq, uint32_t uid)
{
	struct session *e = arg;

	if (!seq || seq > e->n || e->list[seq - 1].uid != uid)
		world_differs("EXPUNGE names another message");
	memmove(e->list + seq - 1, e->list + seq, (e->n - seq) * sizeof(*e->list));
	e->n--;
}

static void told_exists(void *arg, uint32_t exists, uint32_t recent)
{
	struct session *e = arg;

	if (exists < e->n || recent > exists)
		world_differs("EXISTS went down");
	learn(e, exists);
}

static void told_flags(void *arg, uint32_t seq, const struct message *msg)
{
	struct session *e = arg;

	if (!seq || seq > e->n || e->list[seq - 1].uid != msg->uid)
		world_differs("FETCH FLAGS names another message");
	e->list[seq - 1].flags = msg->flags;
	e->list[seq - 1].keywords = msg->keywords;
}

static void check_beliefs(struct session *e, struct model_box *box, bool all)
{
	const struct model_message *m;
	struct message msg;
	size_t live = 0;

	for (size_t i = 0; i < e->n; i++) {
		m = model_message(box, e->list[i].uid);
		if (!m)
			continue;
		live++;
		if (m->flags != e->list[i].flags)
			world_differs("a session was not told of flags");
		if (view_message(e->v, (uint32_t)i + 1, &msg) && msg.keywords != e->list[i].keywords)
			world_differs("a session was not told of keywords");
	}
	if (live != box->n)
		world_differs("a session was not told of new messages");
	if (all && e->n != live)
		world_differs("a session was not told of expunged messages");
	if (all && view_pending(e->v))
		world_differs("news are pending after all were told");
}

void session_sync(struct session *e, struct model *m, bool allow_expunge)
{
	static const struct view_events events = {told_expunge, told_exists, told_flags};
	struct model_box *box = box_of(e, m);

	view_sync(e->v, allow_expunge, &events, e);
	if (box)
		check_beliefs(e, box, allow_expunge);
}

void session_changed(struct session *e, const uint32_t *uids, size_t n)
{
	struct message msg;
	uint32_t seq;

	for (size_t i = 0; i < n; i++) {
		seq = view_seq(e->v, uids[i]);
		if (!seq || !view_message(e->v, seq, &msg))
			continue;
		e->list[seq - 1].flags = msg.flags;
		e->list[seq - 1].keywords = msg.keywords;
		view_forget_flags(e->v, uids[i]);
	}
}
