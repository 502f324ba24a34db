/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include "core/lib/prelogin.h"
#include "core/lmtp/extend.h"

/* RFC 3030 2.1 allows twenty digits; no message is that large. */
#define CHUNK_MAX ((uint64_t)1 << 62)

struct lmtp_chunking_slot {
	uint64_t left; /* bytes of the chunk that are still to come */
	bool last;
};

const struct feature lmtp_chunking_feature;

/* The end of a chunk that is not the last. */
static void confirm(struct lmtp_session *s)
{
	s->phase = LMTP_COMMANDS;
	lmtp_reply(s, "250 2.0.0 Ok, go on");
}

static void take_chunk(struct lmtp_session *s)
{
	struct lmtp_chunking_slot *slot = feature_slot(&s->base, &lmtp_chunking_feature);
	struct str in = buf_str(&s->conn.in);

	in.len = in.len < slot->left ? in.len : (size_t)slot->left;
	slot->left -= lmtp_text_take(s, in);
	if (slot->left)
		return;
	if (slot->last)
		lmtp_text_end(s);
	else
		confirm(s);
}

/* RFC 3030 2: the octets of a refused BDAT come all the same. */
static void swallow_chunk(struct lmtp_session *s)
{
	struct lmtp_chunking_slot *slot = feature_slot(&s->base, &lmtp_chunking_feature);
	size_t n = s->conn.in.len < slot->left ? s->conn.in.len : (size_t)slot->left;

	buf_consume(&s->conn.in, n);
	slot->left -= n;
	if (slot->left)
		return;
	s->phase = LMTP_COMMANDS;
	lmtp_reply(s, s->tx.open ? "503 5.5.1 No valid recipients" : "503 5.5.1 Say MAIL first");
}

/* " 1000" or " 1000 LAST" */
static int parse(struct cursor *c, struct lmtp_chunking_slot *slot)
{
	cursor_accept(c, ' ');
	slot->left = cursor_number(c, CHUNK_MAX);
	slot->last = cursor_accept_word(c, STR(" LAST"));
	return c->failed || !cursor_done(c) ? -1 : 0;
}

static void begin_message(struct lmtp_session *s)
{
	int error = lmtp_text_begin(s);

	s->tx.data.raw = true;
	if (error)
		lmtp_text_refuse(s, lmtp_error_reply(error));
}

static void lmtp_chunking_bdat(struct lmtp_session *s, struct cursor *args)
{
	struct lmtp_chunking_slot *slot = feature_slot(&s->base, &lmtp_chunking_feature);

	if (parse(args, slot)) {
		lmtp_reply(s, "501 5.5.4 Say BDAT and the size, and LAST if it is the last");
		lmtp_end(s, "4.5.0", "The rest cannot be told from commands");
		return;
	}
	s->phase = LMTP_TEXT;
	s->tx.take = s->tx.rcpts.n ? take_chunk : swallow_chunk;
	if (s->tx.rcpts.n && !s->tx.begun)
		begin_message(s);
	if (!slot->left) /* no input will call it */
		s->tx.take(s);
}

/* Before MAIL there is nobody to swallow it. */
static enum hook_result lmtp_chunking_gate(struct prelogin *p, struct str verb, struct cursor c)
{
	(void)c;
	if (!str_ieq(verb, STR("BDAT")))
		return HOOK_PASS;
	buf_addv(&p->out, "503 5.5.1 Say MAIL first\r\n421 4.5.0 ", p->hostname,
		" The rest cannot be told from commands\r\n", NULL);
	p->want = PRELOGIN_CLOSE;
	return HOOK_DONE;
}

static const char *const words[] = {"CHUNKING", NULL};

static const struct lmtp_command commands[] = {
	{"BDAT", lmtp_chunking_bdat},
	{NULL, NULL},
};

const struct feature lmtp_chunking_feature = {
	.name = "lmtp_chunking",
	.session_size = sizeof(struct lmtp_chunking_slot),
	.lmtp_words = words,
	.lmtp_commands = commands,
	.lmtp_gate = lmtp_chunking_gate,
};
