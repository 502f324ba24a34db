/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_MODEL_MAILBOX_MODEL_H
#define TESTS_MODEL_MAILBOX_MODEL_H

/*
 * Accounts, mailboxes and messages as the rules of IMAP see them, in plain arrays: what the store is
 * compared with.  Each function takes and answers what its namesake in core/store/store.h does.
 *
 * Numbers that the store may choose (ids, UIDVALIDITY, MODSEQ) are 0 until the comparison has learnt
 * them; from then on they must stay.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_ACCOUNTS 4
#define MODEL_BOXES 40
#define MODEL_KEYWORDS 90
#define MODEL_TABLE CONFIG_KEYWORDS_MAX /* keywords of one mailbox */
#define MODEL_SPACES 2
#define MODEL_KEYS 12
#define MODEL_NAME 200

typedef unsigned __int128 keyword_set;
#define KEYWORD(i) ((keyword_set)1 << (i))

struct model_message {
	uint32_t uid, flags, size, prefix_size;
	keyword_set keywords;
	uint64_t modseq, blob;
	uint32_t body, prefix; /* what their texts are made from; prefix 0 = none */
	int64_t date;
	int16_t zone;
};

struct model_box {
	char name[MODEL_NAME];
	bool exists, subscribed;
	bool raised; /* the operation must raise its HIGHESTMODSEQ */
	unsigned use;
	uint64_t id, modseq;
	uint32_t validity, uidnext;
	keyword_set table;
	struct model_message *v; /* by UID */
	size_t n;
};

struct model_account {
	bool exists;
	uint64_t modseq;
	struct model_box box[MODEL_BOXES]; /* by name */
	unsigned boxes;
};

struct model {
	struct model_account account[MODEL_ACCOUNTS];
	uint32_t kv[MODEL_SPACES][MODEL_KEYS]; /* what the value is made from; 0 = none */
	uint32_t validity; /* highest ever given */
};

void model_copy(struct model *to, const struct model *from);
void model_free(struct model *m);

void model_account_create(struct model_account *a);
/* The canonical form of a name; -1 EINVAL. */
int model_name(const char *in, char out[MODEL_NAME]);
struct model_box *model_find(struct model_account *a, const char *name);
struct model_box *model_by_id(struct model_account *a, uint64_t id);
int model_create(struct model_account *a, const char *name, unsigned use);
int model_delete(struct model_account *a, const char *name);
int model_rename(struct model_account *a, const char *from, const char *to);
int model_subscribe(struct model_account *a, const char *name, bool on);

/* Puts keywords into the table; the answer is those that found room. */
keyword_set model_keywords(struct model_box *b, keyword_set wanted);
struct model_message *model_message(const struct model_box *b, uint32_t uid);
void model_append(struct model_box *b, const struct model_message *msg);
/* op: enum message_op. */
void model_flag(struct model_box *b, const uint32_t *uids, size_t n, int op, uint32_t flags,
	keyword_set keywords);
void model_expunge(struct model_box *b, const uint32_t *uids, size_t n);
/* Returns how many were copied. */
size_t model_copy_messages(struct model_box *from, const uint32_t *uids, size_t n, struct model_box *to,
	bool move);

#endif
