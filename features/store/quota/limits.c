/* SPDX-License-Identifier: 0BSD */
/* What users may hold: settings for all, words in accounts.cdb for one. */
#include "features/store/quota/quota.h"

#include <string.h>

#include "core/lib/network.h"

#define KIB_MAX  ((uint64_t)1 << 52)
#define USED_MAX (UINT64_MAX / 100)

struct quota_policy quota_policy;

const struct setting quota_settings[] = {
	{"quota_storage_mb", SETTING_NUMBER, "0", 0, 1u << 30, &quota_policy.storage_mb,
		"How many megabytes of mail a user may have, unless `satchel quota` says otherwise. 0: no "
		"limit.",
		"CONFIG_QUOTA"},
	{"quota_messages", SETTING_NUMBER, "0", 0, UINT32_MAX, &quota_policy.messages,
		"How many messages a user may have, likewise.", "CONFIG_QUOTA"},
	{"quota_over", SETTING_STRING, "later", 0, 0, &quota_policy.over,
		"What a transfer agent is told of mail that does not fit: later (452 4.2.2, it tries again) "
		"or bounce (552 5.2.2, it goes back to the sender).",
		"CONFIG_QUOTA"},
	{"quota_warning_percent", SETTING_NUMBER, "90", 1, 100, &quota_policy.warning_percent,
		"From this part of a limit on users are warned, and the log says so once.", "CONFIG_QUOTA"},
	{"quota_ignore_from", SETTING_STRING, "", 0, 0, &quota_policy.ignore_from,
		"Addresses and networks (192.0.2.7, 198.51.100.0/24, 2001:db8::/32, unix) whose deliveries may "
		"pass over limits, where they say IGNOREQUOTA with RCPT.",
		"CONFIG_QUOTA"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

void quota_check_settings(const char *file, struct buf *errors)
{
	if (strcmp(quota_policy.over, "later") != 0 && strcmp(quota_policy.over, "bounce") != 0)
		buf_addv(errors, file, ": quota_over must be later or bounce\n", NULL);
	network_check_setting(file, "quota_ignore_from", quota_policy.ignore_from, errors);
}

static void take(struct str word, struct str prefix, uint64_t max, uint64_t unit, uint64_t *limit)
{
	struct cursor c = cursor_from(word);
	uint64_t n;

	if (!cursor_accept_word(&c, prefix))
		return;
	n = cursor_number(&c, max);
	if (!c.failed && cursor_done(&c))
		*limit = n * unit;
}

void quota_limits_parse(struct str words, uint64_t limit_r[QUOTA_RESOURCES])
{
	struct str word;

	while (str_word(&words, ",", &word)) {
		take(word, STR("storage="), KIB_MAX, 1024, &limit_r[QUOTA_STORAGE]);
		take(word, STR("messages="), UINT32_MAX, 1, &limit_r[QUOTA_MESSAGE]);
	}
}

bool quota_limits(struct str words, uint64_t limit_r[QUOTA_RESOURCES])
{
	limit_r[QUOTA_STORAGE] = quota_policy.storage_mb << 20;
	limit_r[QUOTA_MESSAGE] = quota_policy.messages;
	quota_limits_parse(words, limit_r);
	return limit_r[QUOTA_STORAGE] || limit_r[QUOTA_MESSAGE];
}

int quota_find(struct mail *m, struct account *a, struct quota *q_r)
{
	struct str user = account_name(a);
	struct buf words = {0};
	int rc;

	*q_r = (struct quota){0};
	/* No user's: a feature keeps something there. */
	if (user.len && user.p[0] == '/')
		return 0;
	rc = m->account_lookup(m, user, &words);
	if (rc >= 0)
		rc = quota_limits(buf_str(&words), q_r->limit);
	if (rc > 0)
		quota_usage(a, q_r->used);
	buf_free(&words);
	return rc;
}

bool quota_fits(const struct quota *q, uint64_t messages, uint64_t bytes)
{
	const uint64_t more[QUOTA_RESOURCES] = {[QUOTA_STORAGE] = bytes, [QUOTA_MESSAGE] = messages};

	for (int i = 0; i < QUOTA_RESOURCES; i++) {
		if (q->limit[i] && (more[i] > q->limit[i] || q->used[i] > q->limit[i] - more[i]))
			return false;
	}
	return true;
}

unsigned quota_percent(const struct quota *q)
{
	unsigned most = 0;

	for (int i = 0; i < QUOTA_RESOURCES; i++) {
		uint64_t used = q->used[i] < USED_MAX ? q->used[i] : USED_MAX;
		uint64_t part = q->limit[i] ? used * 100 / q->limit[i] : 0;

		if (part > most)
			most = part > 999 ? 999 : (unsigned)part;
	}
	return most;
}
