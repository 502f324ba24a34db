/* SPDX-License-Identifier: 0BSD */
/* LIST with its extensions (RFC 9051 6.3.9; RFC 5258, 5819, 6154) and LSUB (RFC 3501 6.3.9). */
#include "core/imap/commands.h"

#include <errno.h>
#include <string.h>

#include "core/imap/extend.h"

#define SLICE 256
#define SLICE_COST (1 << 20) /* bytes of names times bytes of patterns: what matching may take at worst */
#define PATTERNS_MAX 100

enum { SELECT_SUBSCRIBED = 1, SELECT_REMOTE = 2, SELECT_RECURSIVE = 4, SELECT_SPECIAL = 8 };
enum { RETURN_SUBSCRIBED = 1, RETURN_CHILDREN = 2, RETURN_SPECIAL = 4, RETURN_STATUS = 8 };

struct list {
	unsigned select, returns, status;
	bool lsub, extended;
	struct str reference;
	struct { struct str *v; size_t n; } patterns; /* reference in front, UTF-8 */
	size_t pattern_bytes;
	struct str last;                              /* name that was looked at last */
	struct buf last_bytes;
};

/* ---- names ---- */

static int compare(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int d = n ? memcmp(a.p, b.p, n) : 0;

	return d ? d : a.len < b.len ? -1 : a.len > b.len;
}

/* First index whose name is not below `name`. */
static uint32_t lower_bound(const struct account *a, struct str name)
{
	uint32_t low = 0, high = account_mailbox_count(a);

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (compare(mailbox_name(account_mailbox(a, mid)), name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Is `name` below `parent`? */
static bool is_below(struct str name, struct str parent)
{
	return name.len > parent.len + 1 && name.p[parent.len] == '/' &&
		memcmp(name.p, parent.p, parent.len) == 0;
}

/* Index of the first name below m's; they stand together. */
static uint32_t first_child(const struct account *a, struct str parent)
{
	struct buf key = {0};
	uint32_t at;

	buf_addstr(&key, parent);
	buf_addc(&key, '/');
	at = lower_bound(a, buf_str(&key));
	buf_free(&key);
	return at;
}

static bool has_below(const struct account *a, struct str parent, bool (*is)(const struct mailbox *m))
{
	for (uint32_t i = first_child(a, parent); i < account_mailbox_count(a); i++) {
		struct mailbox *m = account_mailbox(a, i);

		if (!is_below(mailbox_name(m), parent))
			return false;
		if (is(m))
			return true;
	}
	return false;
}

/* ---- lines ---- */

static const char *const uses[] = {"\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash"};

static void add_word(struct buf *out, const char *word)
{
	if (out->len && buf_str(out).p[out->len - 1] != '(')
		buf_addc(out, ' ');
	buf_adds(out, word);
}

static void add_attributes(struct imap_session *s, const struct mailbox *m, bool subscribed)
{
	const struct account *a = mailbox_account(m);
	struct buf *out = imap_out(s);
	unsigned use = mailbox_special_use(m);

	buf_addc(out, '(');
	if (!mailbox_exists(m))
		add_word(out, "\\NonExistent");
	add_word(out, has_below(a, mailbox_name(m), mailbox_exists) ? "\\HasChildren" : "\\HasNoChildren");
	if (subscribed)
		add_word(out, "\\Subscribed");
	for (unsigned i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		if (use & 1u << i)
			add_word(out, uses[i]);
	}
	buf_addc(out, ')');
}

static void add_name(struct imap_session *s, struct str name)
{
	buf_adds(imap_out(s), " \"/\" ");
	imap_add_mailbox(s, imap_out(s), name);
}

void imap_add_list_line(struct imap_session *s, const struct mailbox *m)
{
	buf_adds(imap_out(s), "* LIST ");
	add_attributes(s, m, false);
	add_name(s, mailbox_name(m));
	buf_adds(imap_out(s), "\r\n");
}

static void show(struct imap_session *s, const struct list *l, const struct mailbox *m, bool childinfo)
{
	bool tell_subscribed = (l->returns & RETURN_SUBSCRIBED) || (l->select & SELECT_SUBSCRIBED);

	buf_adds(imap_out(s), "* LIST ");
	add_attributes(s, m, tell_subscribed && mailbox_subscribed(m));
	add_name(s, mailbox_name(m));
	if (childinfo) /* RFC 9051 7.3.1 */
		buf_adds(imap_out(s), " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	buf_adds(imap_out(s), "\r\n");
	if ((l->returns & RETURN_STATUS) && mailbox_exists(m)) /* RFC 5819 */
		imap_add_status(s, m, l->status);
}

static void show_lsub(struct imap_session *s, struct str name, bool selectable)
{
	buf_addv(imap_out(s), "* LSUB ", selectable ? "()" : "(\\Noselect)", NULL);
	add_name(s, name);
	buf_adds(imap_out(s), "\r\n");
}

/* ---- which ones ---- */

static bool matches(const struct list *l, struct str name)
{
	char upper[5];

	for (size_t i = 0; i < l->patterns.n; i++) {
		struct str pattern = l->patterns.v[i];

		/* The one name without case (RFC 9051 5.1). */
		if (pattern.len == sizeof(upper) && str_eq(name, STR("INBOX")) && str_ieq(pattern, name))
			return true;
		if (imap_match(pattern, name))
			return true;
	}
	return false;
}

static bool selected(const struct list *l, const struct mailbox *m)
{
	if ((l->select & SELECT_SPECIAL) && !mailbox_special_use(m))
		return false;
	if (l->select & SELECT_SUBSCRIBED)
		return mailbox_subscribed(m);
	return mailbox_exists(m);
}

static void list_one(struct imap_session *s, const struct list *l, const struct mailbox *m)
{
	bool wanted = selected(l, m), below;

	if (!wanted && !(l->select & SELECT_RECURSIVE))
		return;
	if (!matches(l, mailbox_name(m)))
		return;
	below = (l->select & SELECT_RECURSIVE) &&
		has_below(mailbox_account(m), mailbox_name(m), mailbox_subscribed);
	if (wanted || below)
		show(s, l, m, below);
}

/* RFC 3501 6.3.9: a subscribed name deeper than "%" reaches shows as its parent, once. */
static void lsub_parents(struct imap_session *s, const struct list *l, struct str name, struct str before)
{
	for (size_t n = 1; n < name.len; n++) {
		struct str parent = {name.p, n};
		uint32_t at;

		if (name.p[n] != '/' || str_eq(before, parent) || is_below(before, parent))
			continue;
		at = lower_bound(s->account, parent);
		if (at < account_mailbox_count(s->account)) {
			struct mailbox *m = account_mailbox(s->account, at);

			if (str_eq(mailbox_name(m), parent) && mailbox_subscribed(m))
				continue;
		}
		if (matches(l, parent))
			show_lsub(s, parent, false);
	}
}

static void lsub_one(struct imap_session *s, struct list *l, const struct mailbox *m)
{
	if (!mailbox_subscribed(m))
		return;
	if (matches(l, mailbox_name(m)))
		show_lsub(s, mailbox_name(m), true);
	else
		lsub_parents(s, l, mailbox_name(m), buf_str(&l->last_bytes));
	buf_clear(&l->last_bytes);
	buf_addstr(&l->last_bytes, mailbox_name(m));
}

/* ---- a slice at a time ---- */

static void list_cleanup(struct imap_cmd *c)
{
	struct list *l = c->state;

	buf_free(&l->last_bytes);
}

static void list_step(struct imap_session *s, struct imap_cmd *c)
{
	struct list *l = c->state;
	uint32_t at = l->last.p ? lower_bound(s->account, l->last) : 0;
	uint32_t end = account_mailbox_count(s->account);
	struct mailbox *m = NULL;
	size_t cost = 0;

	/* Names are found again by name: others may have been made or taken away meanwhile. */
	if (l->last.p && at < end && str_eq(mailbox_name(account_mailbox(s->account, at)), l->last))
		at++;
	if (end > at && end - at > SLICE)
		end = at + SLICE;
	for (; at < end && cost < SLICE_COST && !conn_full(&s->conn); at++) {
		m = account_mailbox(s->account, at);
		cost += mailbox_name(m).len * l->pattern_bytes;
		if (l->lsub)
			lsub_one(s, l, m);
		else
			list_one(s, l, m);
	}
	/* Names, and names missing, are only shown once they are there to stay. */
	imap_barrier(s, account_lsn(s->account));
	if (at >= account_mailbox_count(s->account)) {
		imap_reply(s, c, IMAP_OK, NULL, "That is all");
		return;
	}
	if (m) {
		l->last = arena_str(c->arena, mailbox_name(m));
		if (!l->last.p) {
			imap_reply_errno(s, c, ENOMEM);
			return;
		}
	}
	c->step = list_step;
}

/* ---- arguments ---- */

static unsigned option(struct str word, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (str_ieq(word, str_from(names[i])))
			return 1u << i;
	}
	return 0;
}

/* "(" [option *(SP option)] ")".  NULL, or what is wrong. */
static const char *parse_select_options(struct cursor *c, struct list *l)
{
	static const char *const names[] = {"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"};
	struct str word;

	cursor_get(c);
	l->extended = true;
	if (cursor_accept(c, ')'))
		return NULL;
	do {
		unsigned bit = imap_parse_atom(c, &word) ? 0 : option(word, names, 4);

		if (!bit)
			return "LIST: unknown selection option";
		l->select |= bit;
	} while (cursor_accept(c, ' '));
	if (!cursor_accept(c, ')'))
		return "LIST: malformed selection options";
	/* RFC 5258 3 */
	if ((l->select & SELECT_RECURSIVE) && !(l->select & SELECT_SUBSCRIBED))
		return "LIST: RECURSIVEMATCH needs SUBSCRIBED";
	return NULL;
}

static const char *parse_return_options(struct cursor *c, struct list *l)
{
	static const char *const names[] = {"SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS"};
	struct str word;

	l->extended = true;
	if (!cursor_accept_word(c, STR("RETURN (")))
		return "LIST: expected RETURN and options in parentheses";
	if (cursor_accept(c, ')'))
		return NULL;
	do {
		unsigned bit = imap_parse_atom(c, &word) ? 0 : option(word, names, 4);

		if (!bit)
			return "LIST: unknown return option";
		l->returns |= bit;
		if (bit == RETURN_STATUS && (imap_parse_sp(c) || imap_parse_status_items(c, &l->status)))
			return "LIST: STATUS needs known items in parentheses";
	} while (cursor_accept(c, ' '));
	return cursor_accept(c, ')') ? NULL : "LIST: malformed return options";
}

/* One pattern with the reference in front (RFC 9051 6.3.9), in UTF-8. */
static int add_pattern(struct arena *a, struct list *l, struct str pattern)
{
	struct str utf8;

	if (l->patterns.n == PATTERNS_MAX || imap_mailbox_utf8(pattern, a, &utf8))
		return -1;
	if (l->reference.len) {
		struct buf text = {0};
		int rc = buf_addstr(&text, l->reference) || buf_addstr(&text, utf8);

		utf8 = arena_str(a, buf_str(&text));
		buf_free(&text);
		if (rc || !utf8.p)
			return -1;
	}
	l->patterns.v[l->patterns.n++] = utf8;
	l->pattern_bytes += utf8.len + 1;
	return 0;
}

static const char *parse_patterns(struct cursor *c, struct arena *a, struct list *l)
{
	struct str pattern;
	bool many = !l->lsub && cursor_accept(c, '(');

	l->patterns.v = arena_array(a, many ? PATTERNS_MAX : 1, sizeof(*l->patterns.v));
	if (!l->patterns.v)
		return "Out of memory";
	l->extended |= many;
	do {
		if (imap_parse_list_mailbox(c, a, &pattern))
			return "Expected a pattern of mailbox names";
		if (add_pattern(a, l, pattern))
			return "A pattern is malformed, or there are too many";
	} while (many && cursor_accept(c, ' '));
	return !many || cursor_accept(c, ')') ? NULL : "LIST: malformed patterns";
}

static const char *parse(struct cursor *c, struct arena *a, struct list *l)
{
	const char *wrong = NULL;

	if (imap_parse_sp(c))
		return "Expected a reference and a pattern";
	if (!l->lsub && cursor_peek(c) == '(') {
		wrong = parse_select_options(c, l);
		if (!wrong && imap_parse_sp(c))
			wrong = "LIST: expected a reference and a pattern";
	}
	if (wrong)
		return wrong;
	if (imap_parse_mailbox(c, a, &l->reference) || imap_parse_sp(c))
		return "Expected a reference and a pattern";
	wrong = parse_patterns(c, a, l);
	if (!wrong && !l->lsub && cursor_accept(c, ' '))
		wrong = parse_return_options(c, l);
	if (!wrong && imap_parse_end(c))
		wrong = "Something follows the last argument";
	return wrong;
}

static void list_or_lsub(struct imap_session *s, struct imap_cmd *c, bool lsub)
{
	struct list *l = arena_alloc(c->arena, sizeof(*l));
	const char *wrong;

	if (!l) {
		imap_reply_errno(s, c, ENOMEM);
		return;
	}
	l->lsub = lsub;
	wrong = parse(&c->args, c->arena, l);
	if (wrong) {
		imap_bad(s, c, wrong);
		return;
	}
	imap_enable(s, imap_status_enables(l->status));
	/* RFC 3501 6.3.8: an empty pattern asks for the separator. */
	if (!l->extended && l->patterns.n == 1 && l->patterns.v[0].len == l->reference.len) {
		buf_addv(imap_out(s), lsub ? "* LSUB" : "* LIST", " (\\Noselect) \"/\" \"\"\r\n", NULL);
		imap_reply(s, c, IMAP_OK, NULL, "That is all");
		return;
	}
	c->state = l;
	c->cleanup = list_cleanup;
	list_step(s, c);
}

static void list_run(struct imap_session *s, struct imap_cmd *c)
{
	list_or_lsub(s, c, false);
}

static void lsub_run(struct imap_session *s, struct imap_cmd *c)
{
	list_or_lsub(s, c, true);
}

const struct imap_command imap_list_commands[] = {
	{"LIST", IMAP_LOGGED_IN, 0, list_run},
	{"LSUB", IMAP_LOGGED_IN, 0, lsub_run},
	{0},
};
