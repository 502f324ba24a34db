/* SPDX-License-Identifier: 0BSD */
/* THREAD (RFC 5256): the command. */
#include "features/imap/thread/thread.h"

#include <errno.h>
#include <stdlib.h>

#include "core/hooks.h"
#include "core/imap/search.h"
#include "core/mime/header.h"
#include "core/mime/subject.h"

/* Comparisons, or steps of another kind, in one turn. */
#define SLICE 8000

struct thread_run {
	struct threads t;
	bool by_references;
	bool begun;
	struct thread_tell where;
};

static void release(void *own)
{
	struct thread_run *q = own;

	thread_free(&q->t);
	free(q);
}

/* ---- what is found ---- */

static struct str field(struct str fields, const char *name)
{
	struct header_field f;

	return header_find(fields, str_from(name), &f) == 1 ? f.value : STR_NULL;
}

/* Adds the base subject to the texts. */
static int add_subject(struct threads *t, struct str value, struct thread_message *m)
{
	m->subject = (uint32_t)t->text.len;
	subject_add_base(&t->text, value, &m->reply);
	m->subject_len = (uint32_t)t->text.len - m->subject;
	errno = EMLINK;
	return t->text.failed ? -1 : 0;
}

static int take(struct imap_session *s, struct imap_cmd *c, struct imap_content *x, uint32_t seq)
{
	struct thread_run *q = imap_search_own(c);
	struct thread_message m = {.number = c->uid ? x->m.uid : seq, .node = THREAD_NONE};
	struct str fields = STR_NULL;

	(void)s;
	if (!imap_content_summary(x))
		fields = x->sum.fields;
	else if (errno == EAGAIN || errno == ENOMEM)
		return -1;
	m.date = imap_content_sent(x);
	if (add_subject(&q->t, field(fields, "Subject"), &m))
		return -1;
	if (!q->by_references)
		return thread_add(&q->t, &m);
	return thread_references_add(&q->t, &m, field(fields, "Message-ID"), field(fields, "References"),
		field(fields, "In-Reply-To"));
}

/* ---- the answer ---- */

static void answer(struct imap_session *s, struct imap_cmd *c)
{
	struct thread_run *q = imap_search_own(c);
	struct buf *out = imap_out(s);
	bool end;

	imap_barrier(s, mailbox_lsn(view_mailbox(s->view)));
	if (!q->begun)
		buf_adds(out, q->t.top == THREAD_NONE ? "* THREAD" : "* THREAD ");
	q->begun = true;
	do {
		if (conn_full(&s->conn))
			return;
		end = thread_tell_next(&q->t, &q->where, out);
	} while (!end);
	buf_adds(out, "\r\n");
	imap_reply(s, c, IMAP_OK, NULL, "THREAD completed");
}

static void order(struct imap_session *s, struct imap_cmd *c)
{
	struct thread_run *q = imap_search_own(c);
	int done;

	if (imap_view_gone(s, c))
		return;
	done = thread_sort(&q->t, SLICE);
	if (done == 1)
		done = (q->by_references ? thread_references_finish : thread_ordered_finish)(&q->t, SLICE);
	if (done < 0) {
		imap_reply_errno(s, c, errno);
		return;
	}
	if (!done) {
		imap_yield(s);
		return;
	}
	c->step = answer;
	answer(s, c);
}

static void done(struct imap_session *s, struct imap_cmd *c)
{
	c->step = order;
	order(s, c);
}

/* ---- the command ---- */

static const char *parse_algorithm(struct cursor *c, struct thread_run *q)
{
	struct str name;

	if (imap_parse_sp(c) || imap_parse_atom(c, &name))
		return "expected a threading algorithm";
	q->by_references = str_ieq(name, STR("REFERENCES"));
	return q->by_references || str_ieq(name, STR("ORDEREDSUBJECT")) ? NULL
		: "the threading algorithms are REFERENCES and ORDEREDSUBJECT";
}

static void thread_run(struct imap_session *s, struct imap_cmd *c)
{
	struct search_parse p = {.s = s, .arena = c->arena};
	struct thread_run *q = calloc(1, sizeof(*q));
	int parsed;

	if (!q) {
		imap_reply_errno(s, c, ENOMEM);
		return;
	}
	q->t.text.max = THREAD_TEXT_MAX;
	p.wrong = parse_algorithm(&c->args, q);
	parsed = p.wrong ? -1 : search_parse_program(&p, &c->args);
	imap_search_for(s, c, parsed, &p, &(struct search_use){take, done, release, q});
}

static const struct imap_command thread_commands[] = {
	{"THREAD", IMAP_SELECTED, IMAP_UID | IMAP_NO_EXPUNGE, thread_run},
	{0},
};

static const struct imap_capability thread_capabilities[] = {
	{"THREAD=ORDEREDSUBJECT", IMAP_LOGGED_IN},
	{"THREAD=REFERENCES", IMAP_LOGGED_IN},
	{0},
};

const struct feature thread_feature = {
	.name = "thread",
	.imap_commands = thread_commands,
	.imap_capabilities = thread_capabilities,
};
