/* SPDX-License-Identifier: 0BSD */
#include "core/imap/commands.h"
#include "core/imap/parse.h"
#include "core/lib/log.h"
#include "generated/version.h"

/* RFC 2971 3.3 */
#define ID_FIELDS_MAX 30
#define ID_ANSWER "ID (\"name\" \"Satchel\" \"version\" \"" SATCHEL_VERSION "\")"
#define ID_EXPECTED "ID: expected NIL or a list of fields and values"

struct id_client {
	struct str name, version;
};

static int parse_fields(struct cursor *c, struct arena *a, struct id_client *client)
{
	struct str field, value;
	unsigned n = 0;

	if (cursor_accept(c, ')'))
		return 0;
	do {
		if (n++ == ID_FIELDS_MAX || imap_parse_string(c, a, &field) || imap_parse_sp(c) ||
				imap_parse_nstring(c, a, &value))
			return -1;
		if (str_ieq(field, STR("name")))
			client->name = value;
		else if (str_ieq(field, STR("version")))
			client->version = value;
	} while (cursor_accept(c, ' '));
	return cursor_accept(c, ')') ? 0 : -1;
}

/* SP ("NIL" / "(" [string SP nstring *(SP string SP nstring)] ")") */
static int parse_client(struct cursor *c, struct arena *a, struct id_client *client)
{
	if (imap_parse_sp(c))
		return -1;
	if (cursor_accept(c, '(')) {
		if (parse_fields(c, a, client))
			return -1;
	} else if (!cursor_accept_word(c, STR("NIL"))) {
		return -1;
	}
	return imap_parse_end(c);
}

static void id_run(struct imap_session *s, struct imap_cmd *c)
{
	struct id_client client = {STR_NULL, STR_NULL};

	if (parse_client(&c->args, c->arena, &client)) {
		imap_bad(s, c, ID_EXPECTED);
		return;
	}
	if (client.name.len)
		log_debug("client", "user", s->base.user, "name", log_str(client.name),
			"version",
			log_str(client.version), NULL);
	imap_untagged(s, ID_ANSWER);
	imap_reply(s, c, IMAP_OK, NULL, "ID completed");
}

/* Before login, in the gate (RFC 2971 3.1: in any state). */
static enum hook_result id_gate(struct prelogin *p, struct str tag, struct str name, struct cursor args)
{
	struct arena arena = {.max = 2 * CONFIG_PRELOGIN_LINE_MAX};
	struct id_client client = {STR_NULL, STR_NULL};

	if (!str_ieq(name, STR("ID")))
		return HOOK_PASS;
	if (parse_client(&args, &arena, &client)) {
		imap_tagged(&p->out, tag, "BAD", NULL, ID_EXPECTED);
	} else {
		buf_adds(&p->out, "* " ID_ANSWER "\r\n");
		imap_tagged(&p->out, tag, "OK", NULL, "ID completed");
	}
	arena_free(&arena);
	return HOOK_DONE;
}

static const struct imap_command id_commands[] = {
	{"ID", IMAP_ANY, IMAP_GATE, id_run},
	{0},
};

static const struct imap_capability id_capabilities[] = {
	{"ID", IMAP_ANY},
	{0},
};

const struct feature id_feature = {
	.name = "id",
	.imap_commands = id_commands,
	.imap_capabilities = id_capabilities,
	.imap_gate = id_gate,
};
