/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_BOUNDARY_H
#define CORE_MIME_BOUNDARY_H

/*
 * The boundaries that may end a part, kept sorted so that a line is held against all of them in
 * logarithmic time: a message with many open multiparts must not cost depth times bytes.
 */

#include "core/lib/arena.h"

struct boundary {
	struct str text;
	void *owner;
};

struct boundaries {
	struct boundary *v;
	size_t n, cap;
};

/* Adds one; a later one hides an equal earlier one until it is removed.  0 / -1 out of memory. */
int boundaries_add(struct arena *a, struct boundaries *b, struct str text, void *owner);
/* Removes the youngest with that text, which must be there. */
void boundaries_remove(struct boundaries *b, struct str text);
/* The owner of the longest boundary that the line (without "--") begins with (RFC 2046 5.1.1: the
 * rest of the line does not matter), the youngest of equals; NULL if none.  *rest_r is what follows
 * the boundary in the line. */
void *boundaries_match(const struct boundaries *b, struct str line, struct str *rest_r);

#endif
