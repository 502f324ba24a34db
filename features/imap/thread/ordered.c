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

int ordered_finish(struct threads *t, uint32_t budget)
{
	uint32_t first = 0;

	if (!t->by_subject)
		begin(t);
	if (!merge_step(&t->merge, budget))
		return 0;
	for (uint32_t i = 1; i < t->merge.n; i++) {
		if (by_subject(t, t->merge.v[first], t->merge.v[i]))
			first = i;
		else
			t->node.v[t->message.v[t->merge.v[i]].node].parent = t->message.v[t->merge.v[first]].node;
	}
	t->scratch = t->merge.other;
	threads_arrange(t);
	return 1;
}
