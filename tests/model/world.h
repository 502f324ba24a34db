/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

/* A store, its model, and the comparison of the two. */

#include "core/lib/buf.h"
#include "core/store/store.h"
#include "core/store/view.h"
#include "tests/model/mailbox_model.h"

extern const char *const world_accounts[MODEL_ACCOUNTS];

/* Seeded; 0..n-1. */
unsigned world_chance(unsigned n);
void world_seed(uint64_t seed);
/* Prints seed, operation and what differs; ends the program. */
_Noreturn void world_differs(const char *what);

/* ---- texts ---- */

/* The bytes of a body or prefix made from a number. */
void world_body(struct buf *b, uint32_t number);
void world_prefix(struct buf *b, uint32_t number);
void world_value(struct buf *b, uint32_t number);
struct str world_keyword(unsigned i, char name[16]);
struct str world_key(unsigned i, char name[16]);

/* ---- comparison ---- */

enum compare_bodies { BODIES_NONE, BODIES_SOME, BODIES_ALL };
/*
 * Compares everything the store shows with the model.  learn: numbers of the model that are 0 take
 * the store's, after looking whether the store chose them well.  True: equal; else why says what.
 */
bool world_equal(struct store *s, struct model *m, bool learn, enum compare_bodies bodies,
	struct buf *why);
struct mailbox *world_box(struct store *s, int account, const struct model_box *b);

/* ---- sessions: what a client believes of its selected mailbox ---- */

struct session;
struct session *session_open(struct store *s, struct model *m, int account, struct model_box *b);
void session_close(struct session **e);
/* What must hold at any time: the numbers stand still. */
void session_check(struct session *e, struct model *m);
/* Takes the news, and compares what the client believes then. */
void session_sync(struct session *e, struct model *m, bool allow_expunge);
/* The client changed these itself and knows it. */
void session_changed(struct session *e, const uint32_t *uids, size_t n);
bool session_has(const struct session *e, int account, uint64_t id);
/* False once its mailbox is gone. */
bool session_alive(const struct session *e);

#endif
