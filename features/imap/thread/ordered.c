/* SPDX-License-Identifier: 0BSD */
/* THREAD=ORDEREDSUBJECT (RFC 5256 3): the first message of a subject is the parent of all others. */
#include "features/imap/thread/thread.h"

static struct str subject_of(const struct threads *t, uint32_t message)
{
	const struct thread_message *m = &t->message.v[message];

	return (struct str){buf_str(&t->text).p + m->subject, m->subject_len};
}

static int by_subject(const void *arg, uint32_t a, uint32_t b)
{
	const struct threads *t = arg;

	return str_cmp(subject_of(t, a), subject_of(t, b));
}

/* The order by date goes into the sort, which keeps it among equals. */
static void begin(struct threads *t)
{
	uint32_t n = (uint32_t)t->message.n;

	for (uint32_t i = 0; i < n; i++)
		t->owned[2][i] = t->order[i];
	t->merge = (struct merge){.v = t->owned[2], .other = t->scratch, .n = n, .compare = by_subject, .arg = t};
	t->by_subject = true;
}

static int group(struct threads *t, size_t i)
{
	uint32_t first = t->merge.v[t->first], here = t->merge.v[i];

	if (i == t->first || by_subject(t, first, here))
		t->first = (uint32_t)i;
	else
		t->node.v[t->message.v[here].node].parent = t->message.v[first].node;
	/* The numbers end where the sort left them, and the room for the roots is the other. */
	t->scratch = t->merge.other;
	return 0;
}

int thread_ordered_finish(struct threads *t, uint32_t budget)
{
	static const struct threads_pass passes[] = {
		{THREADS_MESSAGES, thread_rank}, {THREADS_MESSAGES, group}, THREADS_ARRANGE, {THREADS_END, NULL},
	};

	if (!t->by_subject)
		begin(t);
	if (!merge_step(&t->merge, budget))
		return 0;
	return thread_passes(t, passes, budget);
}
