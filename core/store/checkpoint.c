/* SPDX-License-Identifier: 0BSD */
#include "core/store/state.h"

int checkpoint_load(struct store *s, struct buf *error)
{
	(void)error;
	s->checkpoint_lsn = 0;
	return 0;
}

void checkpoint_start_timer(struct store *s)
{
	(void)s;
}

void checkpoint_consider(struct store *s)
{
	(void)s;
}

void checkpoint_finished(struct store *s)
{
	(void)s;
}

int checkpoint_now(struct store *s)
{
	(void)s;
	return 0;
}

int store_checkpoint(struct store *s)
{
	commit_flush(s);
	return checkpoint_now(s);
}
