/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_STORE_QUOTA_QUOTA_H
#define FEATURES_STORE_QUOTA_QUOTA_H

/* What the files of the quota feature share. */

#include "core/hooks.h"
#include "core/imap/extend.h"
#include "core/lib/settings.h"
#include "core/session.h"
#include "core/store/store.h"

enum quota_resource { QUOTA_STORAGE, QUOTA_MESSAGE, QUOTA_RESOURCES };

struct quota {
	uint64_t used[QUOTA_RESOURCES], limit[QUOTA_RESOURCES]; /* bytes, messages; limit 0: none */
};

/* ---- usage.c ---- */

/* Watches the store from now on.  0 / -1 ENOMEM. */
int quota_usage_start(struct store *s, const struct store_watch *w);
void quota_usage_stop(void);
/* Messages came (or left, below 0). */
void quota_usage_count(struct account *a, int64_t messages, int64_t bytes);
void quota_usage(struct account *a, uint64_t used_r[QUOTA_RESOURCES]);

/* ---- limits.c ---- */

extern const struct setting quota_settings[];
void quota_check_settings(const char *file, struct buf *errors);
struct quota_policy {
	char *over, *ignore_from;
	uint64_t storage_mb, messages, warning_percent;
};
extern struct quota_policy quota_policy;

/* Limits among the words that accounts.cdb has of a user: "storage=KIB,messages=N". */
void quota_limits_parse(struct str words, uint64_t limit_r[QUOTA_RESOURCES]);
/* A user's limits, with these words.  Is there one? */
bool quota_limits(struct str words, uint64_t limit_r[QUOTA_RESOURCES]);
/* Limits and usage of an account.  1, 0 without limits, -1 could not look. */
int quota_find(struct mail *m, struct account *a, struct quota *q_r);
bool quota_fits(const struct quota *q, uint64_t messages, uint64_t bytes);
/* Of the resource that is fullest. */
unsigned quota_percent(const struct quota *q);

/* ---- imap.c, cli.c ---- */

extern const struct imap_command quota_imap_commands[];
extern const struct imap_capability quota_imap_capabilities[];
extern const struct imap_status_item quota_imap_status_items[];
enum hook_result quota_imap_selected(struct imap_session *s, struct imap_cmd *c);
extern const struct cli_command quota_cli[];

/* What a session was told. */
struct quota_slot {
	bool warned;
};
extern const struct feature quota_feature;

#endif
