/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_RING_H
#define CORE_STORE_RING_H

/* Doubly linked rings whose node sits inside the owner's object; a zeroed node is in none. */

#include <stddef.h>

struct ring {
	struct ring *prev, *next;
};

static inline void ring_init(struct ring *head)
{
	head->prev = head->next = head;
}

static inline void ring_remove(struct ring *n)
{
	if (!n->next)
		return;
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->prev = n->next = NULL;
}

/* First after the head; n must be in no ring. */
static inline void ring_add(struct ring *head, struct ring *n)
{
	n->prev = head;
	n->next = head->next;
	head->next->prev = n;
	head->next = n;
}

#endif
