/* SPDX-License-Identifier: 0BSD */
/* Any FETCH items and SEARCH keys (one line each) against any message (the rest). */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/imap/fetch.h"
#include "core/imap/search.h"
#include "core/lib/log.h"
#include "core/lib/loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct imap_session session;
static struct store *store;
static struct loop *loop;
static char dir[] = "/tmp/satchel-fuzz-XXXXXX";

static void need(bool holds)
{
	if (!holds)
		abort();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void close_session(void)
{
	view_close(&session.view);
	store_close(&store);
	loop_turn(loop, 0);
	loop_free(&loop);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* An INBOX with nothing in it, for the keys that ask the mailbox. */
static void open_session(void)
{
	struct store_options o = {.checkpoint_interval = 3600, .body_budget = 1 << 20, .segment_bytes = 1 << 20};
	struct buf error = {0};
	struct account *account;

	log_init("fuzz", LOG_LEVEL_ERROR, false);
	need(mkdtemp(dir) != NULL);
	o.dir = dir;
	loop = loop_new();
	store = store_open(loop, &o, &error);
	need(store && account_open(store, STR("user"), true, &account) == 1);
	session.view = view_open(mailbox_find(account, STR("INBOX")), false);
	need(session.view != NULL && !atexit(close_session));
	buf_free(&error);
}

static void fill(struct imap_content *x, struct str message)
{
	x->m = (struct message){.uid = 1, .size = (uint32_t)message.len};
	buf_addstr(&x->whole, message);
	need(!mime_summary_add(&x->summary, message) && !mime_summary_read(buf_str(&x->summary), &x->sum));
	x->has_whole = x->has_summary = true;
}

static void check_section(struct imap_content *x, const struct fetch_item *item)
{
	uint64_t offset = 0, length = 0;
	struct str bytes = STR_NULL;

	need(item->label.len > 0);
	if (item->what != FETCH_SECTION) {
		fetch_binary_bytes(x, &item->section, &bytes);
	} else if (fetch_section_range(x, &item->section, &offset, &length) == 1) {
		need(offset <= x->m.size && length <= x->m.size - offset);
		return;
	} else {
		need(fetch_section_bytes(x, &item->section, &bytes) >= 0);
	}
	/* Nothing an answer holds is larger than the message and the empty line of a subset. */
	need(bytes.len <= (size_t)x->m.size + 2);
	length = bytes.len;
	fetch_cut_partial(item, &offset, &length);
	need(offset <= bytes.len && length <= bytes.len - offset);
}

static void fetch(struct imap_content *x, struct str line, struct arena *a)
{
	struct cursor c = cursor_from(line);
	struct fetch_items items;

	if (fetch_parse_items(&c, a, false, &items))
		return;
	need(items.n > 0 && items.n <= FETCH_ITEMS_MAX + 5);
	for (size_t i = 0; i < items.n && i < 50; i++) {
		if (items.v[i].what >= FETCH_SECTION && items.v[i].what != FETCH_WORD)
			check_section(x, &items.v[i]);
	}
}

static void search(struct imap_content *x, struct str line, struct arena *a)
{
	struct search_parse p = {.s = &session, .arena = a};
	struct cursor c = cursor_from(line);
	int rc = search_parse(&p, &c);

	need(rc == 0 || p.wrong || p.bad_charset);
	if (rc)
		return;
	rc = search_match(session.view, x, 1, p.top);
	need(rc == 0 || rc == 1);
	/* What matches does not match the opposite. */
	p.top->negate = true;
	need(search_match(session.view, x, 1, p.top) == !rc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_from((struct str){(const char *)data, size});
	struct imap_content x = {0};
	struct arena a = {.max = 16 << 20};
	struct str items, keys;
	bool ended;

	if (!session.view)
		open_session();
	items = cursor_take_line(&c, &ended);
	keys = cursor_take_line(&c, &ended);
	fill(&x, cursor_take(&c, cursor_left(&c)));
	fetch(&x, items, &a);
	search(&x, keys, &a);
	imap_content_free(&x);
	arena_free(&a);
	free(session.saved);
	session.saved = NULL;
	session.saved_count = 0;
	return 0;
}
