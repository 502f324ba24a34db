/* SPDX-License-Identifier: 0BSD */
/* Removing segments that were carried over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/log.h"
#include "core/store/compact.h"
#include "core/store/io.h"

/* Is all that it held in the files of this checkpoint, and in segments after it? */
static bool is_unused(const struct checkpoint_job *job, size_t i)
{
	const struct store *s = job->s;
	const struct segment *g = s->segments.v[i];

	return g->passed && g->passed <= job->head.files && !g->blobs && i + 1 < s->segments.n &&
		s->segments.v[i + 1]->first <= job->head.lsn;
}

int segments_unused(struct checkpoint_job *job)
{
	for (size_t i = 0; i < job->s->segments.n; i++)
		if (is_unused(job, i) && vec_push(&job->unused, job->s->segments.v[i]))
			return -1;
	return 0;
}

/* The oldest first, and each for good before the next: a tombstone must not go before what it
 * buries, or a rebuild would bring that back. */
void segments_remove(struct checkpoint_job *job)
{
	char name[SEGMENT_NAME_SIZE];

	for (; job->unused.gone < job->unused.n; job->unused.gone++) {
		segment_name(name, job->unused.v[job->unused.gone]->first);
		/* Not there: an earlier checkpoint removed it and could not sync that. */
		if ((io_unlink(job->s->logfd, name) && errno != ENOENT) || io_fsync(job->s->logfd)) {
			log_error("segment", "file", log_str(str_from(name)), "error", strerror(errno), NULL);
			return;
		}
	}
}

void segments_forget(struct checkpoint_job *job)
{
	struct store *s = job->s;
	size_t to = 0, done = 0;
	struct segment *g;

	for (size_t i = 0; i < s->segments.n; i++) {
		g = s->segments.v[i];
		if (done < job->unused.gone && g == job->unused.v[done]) {
			done++;
			segment_free(s, g);
		} else {
			s->segments.v[to++] = g;
		}
	}
	s->segments.n = to;
	free(job->unused.v);
}
