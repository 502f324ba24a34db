/* SPDX-License-Identifier: 0BSD */
#include "core/imap/commands.h"

#include <errno.h>
#include <string.h>

#include "core/lib/text.h"

struct buf *imap_out(struct imap_session *s)
{
	return &s->conn.out;
}

void imap_barrier(struct imap_session *s, uint64_t lsn)
{
	if (lsn > s->barrier)
		s->barrier = lsn;
}

void imap_untagged(struct imap_session *s, const char *text)
{
	buf_addv(imap_out(s), "* ", text, "\r\n", NULL);
}

void imap_plus(struct imap_session *s, const char *text)
{
	buf_addv(imap_out(s), "+ ", text, "\r\n", NULL);
	imap_flush(s);
}

void imap_tagged(struct buf *out, struct str tag, const char *status, const char *code, const char *text)
{
	buf_addstr(out, tag.len ? tag : STR("*"));
	buf_addv(out, " ", status, " ", NULL);
	if (code)
		buf_addv(out, "[", code, "] ", NULL);
	buf_addv(out, text, "\r\n", NULL);
}

void imap_reply(struct imap_session *s, struct imap_cmd *c, enum imap_status status, const char *code,
	const char *text)
{
	static const char *const words[] = {"OK", "NO", "BAD"};
	bool hold = c->command && (c->command->flags & IMAP_NO_EXPUNGE) && !c->uid;

	if (status == IMAP_BAD) {
		s->errors++;
	} else {
		s->errors = 0;
		if (s->view)
			imap_sync(s, !hold);
	}
	imap_tagged(imap_out(s), c->tag, words[status], code, text);
	imap_command_done(s);
}

static const struct { int error; const char *code, *text; } errors[] = {
	{ENOENT, "NONEXISTENT", "No such mailbox"},
	{EEXIST, "ALREADYEXISTS", "A mailbox of that name exists"},
	{EINVAL, "CANNOT", "That name cannot be used"},
	{EBUSY, "CANNOT", "INBOX always exists"},
	{ENOTEMPTY, "HASCHILDREN", "There are mailboxes below it"},
	{EMLINK, "LIMIT", "Too many of them"},
	{EOVERFLOW, "LIMIT", "The mailbox has used all its numbers"},
	{EFBIG, "TOOBIG", "Too large"},
	{EDQUOT, "OVERQUOTA", "Over quota"},
	{ENOSPC, "UNAVAILABLE", "The disk is full"},
	{ENOMEM, "UNAVAILABLE", "Out of memory, try again"},
	{EROFS, "UNAVAILABLE", "The store takes no changes now"},
	{EPROTO, "CORRUPTION", "The message is damaged"},
	{EPERM, "NOPERM", "Not permitted"},
	{EACCES, "NOPERM", "Not permitted"},
};

void imap_reply_errno(struct imap_session *s, struct imap_cmd *c, int error)
{
	if (error == EIO && store_failed(s->base.mail->store))
		error = EROFS;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (errors[i].error == error) {
			imap_reply(s, c, IMAP_NO, errors[i].code, errors[i].text);
			return;
		}
	}
	imap_reply(s, c, IMAP_NO, "SERVERBUG", "The store could not do it"); /* RFC 5530 3 */
}

void imap_bad(struct imap_session *s, struct imap_cmd *c, const char *what)
{
	imap_reply(s, c, IMAP_BAD, NULL, what);
}

static bool is_quotable(struct str v)
{
	for (size_t i = 0; i < v.len; i++) {
		unsigned char ch = (unsigned char)v.p[i];

		if (ch < ' ' || ch >= 0x7f)
			return false;
	}
	return v.len <= 1000;
}

static void add_quoted(struct buf *out, struct str v)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, v.p[i]);
	}
	buf_addc(out, '"');
}

void imap_add_string(struct buf *out, struct str v)
{
	if (!v.p) {
		buf_adds(out, "NIL");
	} else if (is_quotable(v)) {
		add_quoted(out, v);
	} else {
		buf_addc(out, '{');
		buf_addu(out, v.len);
		buf_adds(out, "}\r\n");
		buf_addstr(out, v);
	}
}

/* Only bytes that every client takes bare. */
static bool is_plain_atom(struct str v)
{
	for (size_t i = 0; i < v.len; i++) {
		unsigned char ch = (unsigned char)v.p[i];

		if (ch <= ' ' || ch >= 0x7f || strchr("(){%*\"\\]", ch))
			return false;
	}
	return v.len > 0 && !str_ieq(v, STR("NIL"));
}

void imap_add_mailbox(const struct imap_session *s, struct buf *out, struct str name)
{
	bool utf8 = s->enabled & (IMAP_ENABLED_REV2 | IMAP_ENABLED_UTF8);
	struct buf wire = {0};

	/* RFC 9051 5.1, RFC 3501 5.1.3 */
	if (utf8 || text_to_mutf7(&wire, name)) {
		buf_clear(&wire);
		buf_addstr(&wire, name);
	}
	if (is_plain_atom(buf_str(&wire)))
		buf_addstr(out, buf_str(&wire));
	else if (utf8 || is_quotable(buf_str(&wire)))
		add_quoted(out, buf_str(&wire));
	else
		imap_add_string(out, buf_str(&wire));
	buf_free(&wire);
}

void imap_add_flags(struct buf *out, const struct mailbox *m, uint32_t flags, uint64_t keywords, bool recent)
{
	static const struct { uint32_t flag; const char *name; } names[] = {
		{MESSAGE_ANSWERED, "\\Answered"}, {MESSAGE_FLAGGED, "\\Flagged"},
		{MESSAGE_DELETED, "\\Deleted"}, {MESSAGE_SEEN, "\\Seen"}, {MESSAGE_DRAFT, "\\Draft"},
	};
	const char *sep = "";

	buf_addc(out, '(');
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (flags & names[i].flag) {
			buf_addv(out, sep, names[i].name, NULL);
			sep = " ";
		}
	}
	if (recent) {
		buf_addv(out, sep, "\\Recent", NULL);
		sep = " ";
	}
	for (unsigned i = 0; keywords; i++, keywords >>= 1) {
		struct str name = keywords & 1 ? mailbox_keyword_name(m, i) : STR_NULL;

		if (!name.p)
			continue;
		buf_adds(out, sep);
		buf_addstr(out, name);
		sep = " ";
	}
	buf_addc(out, ')');
}
