/* SPDX-License-Identifier: 0BSD */
/* What sessions cost, by what they are doing. */
#include "core/session.h"

#include <string.h>

#include "core/hooks.h"

enum kind { LOGGED_IN, SELECTED, IDLE, DELIVERING, KINDS };

struct sum {
	uint64_t count, bytes;
};

static enum kind kind_of(const struct session *s)
{
	if (strcmp(s->service, "lmtp") == 0)
		return DELIVERING;
	if (strcmp(s->state, "IDLE") == 0)
		return IDLE;
	return s->mailbox ? SELECTED : LOGGED_IN;
}

static uint64_t bytes_of(const struct session *s)
{
	return (s->bytes ? s->bytes(s) : 0) + feature_slots_size() + (s->user ? strlen(s->user) + 1 : 0) +
		(s->mailbox ? strlen(s->mailbox) + 1 : 0);
}

static void add_line(struct buf *out, const char *name, enum kind kind, bool tls, uint64_t value)
{
	static const char *const names[KINDS] = {"logged_in", "selected", "idle", "delivering"};

	buf_addv(out, name, "{state=\"", names[kind], "\",tls=\"", tls ? "yes" : "no", "\"} ", NULL);
	buf_addu(out, value);
	buf_addc(out, '\n');
}

void session_stat(const struct mail *m, struct buf *out)
{
	struct sum sums[KINDS][2] = {{{0}}};

	for (const struct session *s = m->sessions; s; s = s->next) {
		struct sum *sum = &sums[kind_of(s)][s->tls];

		sum->count++;
		sum->bytes += bytes_of(s);
	}
	for (int i = 0; i < 2 * KINDS; i++)
		add_line(out, "session_count", (enum kind)(i / 2), i % 2, sums[i / 2][i % 2].count);
	for (int i = 0; i < 2 * KINDS; i++)
		add_line(out, "session_bytes", (enum kind)(i / 2), i % 2, sums[i / 2][i % 2].bytes);
}
