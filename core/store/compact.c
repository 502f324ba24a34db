/* SPDX-License-Identifier: 0BSD */
/* Segments that nothing needs any more. */
#include "core/lib/log.h"
#include "core/store/io.h"
#include "core/store/state.h"

void segments_remove_unused(struct store *s)
{
	char name[SEGMENT_NAME_SIZE];
	struct segment *g;
	size_t to = 0;
	bool gone = false;

	for (size_t i = 0; i < s->segments.n; i++) {
		g = s->segments.v[i];
		/* The last one may be the committer's. */
		if (g->blobs || g->emptied > s->checkpoint_files || i + 1 == s->segments.n ||
			s->segments.v[i + 1]->first > s->checkpoint_lsn + 1) {
			s->segments.v[to++] = g;
			continue;
		}
		segment_name(name, g->first);
		if (io_unlink(s->logfd, name)) {
			s->segments.v[to++] = g;
			continue;
		}
		gone = true;
		segment_free(s, g);
	}
	s->segments.n = to;
	/* A name that comes back after a crash is a segment below the checkpoint: nothing reads it,
	 * and the next checkpoint removes it.  No sync is needed. */
	if (gone)
		log_debug("segments removed", "left", log_num((int64_t)to), NULL);
}
