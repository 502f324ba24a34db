/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_IMAP_THREAD_THREAD_H
#define FEATURES_IMAP_THREAD_THREAD_H

/*
 * THREAD (RFC 5256): messages, and the trees made of them.
 *
 * A node is a message or a dummy that stands for one that is not there.  What a message says of itself
 * is taken in when the search finds it; then all are sorted by date; all else is passes over them, each linear.
 * Both go in slices.
 * While trees are made only parents are known: children are listed once, at the end.
 */

#include <stdbool.h>

#include "core/lib/buf.h"
#include "core/lib/cursor.h"
#include "core/lib/merge.h"
#include "core/lib/vec.h"

#define THREAD_NONE UINT32_MAX
/* Bytes of texts, and nodes, of one THREAD. */
#define THREAD_TEXT_MAX (64u << 20)
#define THREAD_NODES_MAX (2u << 20)
/* References of one message that count, the last ones: a sender must not hold a loop, nor fill it all. */
#define THREAD_IDS_MAX 512

struct thread_node {
	uint32_t parent;
	uint32_t child, next; /* the first child, the next sibling: in the order of dates, at the end */
	uint32_t message;     /* THREAD_NONE: a dummy */
	uint32_t rank;        /* place by date among all messages; a dummy has that of its first child */
	uint32_t children;    /* of a dummy */
	uint32_t left, right, up; /* of forest.c */
};

struct thread_message {
	uint32_t number;      /* as the answer says it */
	uint32_t node;
	int64_t date;         /* RFC 5256 2.2 */
	uint32_t subject, subject_len; /* base subject, in text */
	bool reply;           /* its subject is that of a reply or a forward */
};

/* What stands in a table of texts: a message-id or a base subject, and its node. */
struct thread_name {
	uint32_t hash;
	uint32_t at, len; /* in text */
	uint32_t node;
};

struct thread_names {
	struct { struct thread_name *v; size_t n, cap; } name;
	uint32_t *table;        /* open addressing: places in name + 1, 0 is free */
	size_t size;            /* a power of two */
};

struct threads {
	struct { struct thread_message *v; size_t n, cap; } message;
	struct { struct thread_node *v; size_t n, cap; } node;
	struct thread_names ids, subjects;
	struct buf text;        /* text.max is set by who makes it */
	struct merge merge;
	uint32_t *owned[3];     /* what order, scratch and merge point into */
	uint32_t *order;        /* messages by date: order[rank] */
	uint32_t *scratch;      /* room for as many numbers as there are messages */
	bool sorted, by_subject;
	uint32_t top;           /* the first tree; the others follow by next */
	/* how far the passes are */
	unsigned pass;
	size_t at;
	size_t roots;           /* in scratch, by date */
	uint32_t first;         /* ordered.c: where the present subject begins */
};

void thread_free(struct threads *t);

/* ---- trees.c ---- */

/* Adds a message after those before.  A node is made for it if m->node is THREAD_NONE.  0 / -1 + errno. */
int thread_add(struct threads *t, const struct thread_message *m);
/* A node without a parent; message may be THREAD_NONE.  THREAD_NONE + errno (EMLINK: there are too many). */
uint32_t thread_new_node(struct threads *t, uint32_t message);
/* Sorts the messages by date, in slices of `budget` comparisons.  1 done, 0 not yet, -1 ENOMEM. */
int thread_sort(struct threads *t, uint32_t budget);

/* What is done with each message (by its place), node or root, one kind of thing after the other. */
enum threads_over { THREADS_END, THREADS_MESSAGES, THREADS_NODES, THREADS_ROOTS };
struct threads_pass {
	enum threads_over over;
	int (*each)(struct threads *t, size_t i); /* 0 / -1 + errno */
};
/* Goes on with them for `budget` steps.  1 all done, 0 not yet, -1 + errno. */
int thread_passes(struct threads *t, const struct threads_pass *passes, uint32_t budget);

/* The passes that both algorithms share: gives every message its rank; */
int thread_rank(struct threads *t, size_t i);
/* gives every dummy that has children its rank; */
int thread_unrank_dummy(struct threads *t, size_t i);
int thread_rank_dummy(struct threads *t, size_t i);
#define THREADS_RANK_DUMMIES {THREADS_NODES, thread_unrank_dummy}, {THREADS_MESSAGES, thread_rank_dummy}
/* puts into scratch all nodes that are messages or dummies with children, and have no parent, by date; */
int thread_clear_root(struct threads *t, size_t i);
int thread_place_root(struct threads *t, size_t i);
int thread_keep_root(struct threads *t, size_t i);
#define THREADS_FIND_ROOTS {THREADS_MESSAGES, thread_clear_root}, {THREADS_NODES, thread_place_root}, \
	{THREADS_MESSAGES, thread_keep_root}
/* lists the children of all, by date, and the trees. */
int thread_arrange_child(struct threads *t, size_t i);
int thread_arrange_root(struct threads *t, size_t i);
#define THREADS_ARRANGE THREADS_FIND_ROOTS, {THREADS_MESSAGES, thread_arrange_child}, \
	{THREADS_ROOTS, thread_arrange_root}

/* ---- forest.c: links while REFERENCES takes messages in, O(log n) each ---- */

/* Puts `child`, which has no parent, below `parent`.  False: it is below the child already, or the child
 * itself; nothing is done. */
bool thread_forest_link(struct threads *t, uint32_t parent, uint32_t child);
/* Takes a node with all below it from its parent, if it has one. */
void thread_forest_cut(struct threads *t, uint32_t child);

/* ---- names.c ---- */

/* The entry of a text (of t->text, at, len), made with node THREAD_NONE if there is none; it is there until
 * the next call.  NULL + errno. */
struct thread_name *thread_names_get(struct threads *t, struct thread_names *names, uint32_t at, uint32_t len);
void thread_names_free(struct thread_names *names);
/* Takes the next "<message-id>" of a field's value, without the brackets.  1; 0: no more. */
int thread_take_id(struct cursor *c, struct str *id_r);

/* ---- references.c: THREAD=REFERENCES ---- */

/* Adds a message with what it says of itself and its ancestors (step 1): the raw values of its fields, .p
 * NULL if absent.  0 / -1 + errno. */
int thread_references_add(struct threads *t, struct thread_message *m, struct str id, struct str references,
	struct str in_reply_to);
/* Steps 2 to 6, after thread_sort(), in slices of `budget` steps.  1 done, 0 not yet, -1 + errno. */
int thread_references_finish(struct threads *t, uint32_t budget);

/* ---- ordered.c: THREAD=ORDEREDSUBJECT ---- */

/* After thread_sort(): sorts by subject and makes the trees, in slices.  1 done, 0 not yet. */
int thread_ordered_finish(struct threads *t, uint32_t budget);

/* ---- tell.c ---- */

/* Where in the trees the answer is. */
struct thread_tell {
	uint32_t at;     /* the node that is told next, THREAD_NONE: the end */
	bool begun;
};
/* Appends the next piece of "(1 2 (3)(4))": one node.  True: that was the last. */
bool thread_tell_next(const struct threads *t, struct thread_tell *where, struct buf *out);

#endif
