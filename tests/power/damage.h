/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_POWER_DAMAGE_H
#define TESTS_POWER_DAMAGE_H

/* What the files of the damage test share: one spool, and what must be read from it. */

#include "core/store/state.h"

/* A message as it must be read. */
struct expected {
	uint64_t mailbox, blob, prefix, lsn, keywords, modseq;
	uint64_t segment, prefix_segment; /* where its bytes stand; 0: in large/ */
	uint32_t uid, flags, crc;
	bool met;
	bool gone; /* it was expunged, and must not be read */
};

extern struct store *s; /* the open one, or NULL */

/* ---- damage.c ---- */

/* Says what is wrong, and after which damage, and ends the program. */
_Noreturn void wrong(const char *what, const char *more);

/* ---- damage_spool.c ---- */

/* Makes the spool: several accounts and mailboxes, flags, keywords, subscriptions, copies, tombstones,
 * keys, large messages, checkpoints, compaction, and a log after the last checkpoint that a start has to
 * redo, as after a power cut. */
void damage_fill(const char *dir);
/* false: it is refused, and error says why. */
bool damage_open(const char *dir, struct buf *error);
void damage_close(void);
/* Learns from the open store what must be read. */
void damage_learn(void);
/* LSN of the checkpoint then. */
extern uint64_t damage_checkpoint;
size_t damage_expected(void);
/* Reads all mail.  bad(): of a message that is missing, unreadable, of old flags, or should be gone.  A
 * byte that was not written is wrong(). */
void damage_read(void (*bad)(void *arg, const struct expected *e, const char *how), void *arg);
/* Compares the references that are kept with those that are there. */
void damage_count_references(void);
/* Below n; the numbers are the same for the same seed. */
void damage_seed(uint64_t seed);
unsigned damage_chance(unsigned n);

#endif
