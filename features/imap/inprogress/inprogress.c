/* SPDX-License-Identifier: 0BSD */
/* INPROGRESS (RFC 9585) */
#include "core/hooks.h"
#include "core/imap/commands.h"
#include "core/lib/settings.h"
#include "core/mime/nstring.h"

static uint64_t seconds;

struct inprogress_slot {
	uint64_t told;  /* milliseconds of the loop: when the command began, or was told of last; 0: none is told of */
};

const struct feature inprogress_feature;

/* When a command begins, or the session ends. */
static void forget(struct session *s)
{
	struct inprogress_slot *slot = feature_slot(s, &inprogress_feature);

	slot->told = 0;
}

/* RFC 9585 3: the tag as a quoted string or NIL, and two numbers of the same unit. */
static void progress(struct imap_session *s, const struct imap_cmd *c, uint32_t done, uint32_t total)
{
	struct inprogress_slot *slot = feature_slot(&s->base, &inprogress_feature);
	uint64_t now = loop_now(s->conn.loop);
	struct buf *out = imap_out(s);

	if (!slot->told && seconds) {
		slot->told = now;
		return;
	}
	if (now - slot->told < seconds * 1000 || conn_full(&s->conn))
		return;
	slot->told = now;
	buf_adds(out, "* OK [INPROGRESS (");
	mime_add_string(out, c->tag);
	buf_addc(out, ' ');
	buf_addu(out, done);
	buf_addc(out, ' ');
	buf_addu(out, total);
	buf_adds(out, ")] Still searching\r\n");
	imap_flush(s);
}

static const struct imap_capability capabilities[] = {
	{"INPROGRESS", IMAP_LOGGED_IN},
	{0},
};

static const struct setting settings[] = {
	{"inprogress_seconds", SETTING_NUMBER, "10", 0, 3600, &seconds,
		"How often a client is told how far its long search is. 0: as often as the search lets others have "
		"their turn, which is for tests.",
		"CONFIG_INPROGRESS"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

const struct feature inprogress_feature = {
	.name = "inprogress",
	.imap_capabilities = capabilities,
	.settings = settings,
	.session_size = sizeof(struct inprogress_slot),
	.on_state = forget,
	.on_logout = forget,
	.imap_progress = progress,
};
