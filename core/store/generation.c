/* SPDX-License-Identifier: 0BSD */
/* Reading generations. */
#include "core/store/generation.h"

#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/lib/cursor.h"

#define HEADER 2048u /* of a TinyCDB: 256 tables */
#define REMOVED (1ull << 63)

/* One verified page at a time. */
struct reader {
	const struct generation *g;
	uint64_t page; /* UINT64_MAX: none */
	size_t len;
	char bytes[GENERATION_PAGE];
};

void generation_name(char name[GENERATION_NAME_SIZE], uint64_t number, unsigned class)
{
	struct buf b = {0};

	buf_addhex(&b, number, 16);
	if (class != GENERATION_KEPT) {
		buf_addc(&b, '-');
		buf_addhex(&b, class, 4);
	}
	buf_adds(&b, ".cdb");
	buf_addc(&b, 0);
	name[0] = 0;
	if (!b.failed)
		memcpy(name, b.data + b.off, b.len);
	buf_free(&b);
}

static int damaged(void)
{
	errno = EPROTO;
	return -1;
}

static int read_page(struct reader *r, uint64_t page)
{
	const struct generation *g = r->g;
	uint64_t at = page * GENERATION_PAGE;
	size_t want, got = 0;
	ssize_t n;

	if (r->page == page)
		return 0;
	r->page = UINT64_MAX;
	if (at >= g->size)
		return damaged();
	want = g->size - at < GENERATION_PAGE ? (size_t)(g->size - at) : GENERATION_PAGE;
	while (got < want) {
		n = pread(g->fd, r->bytes + got, want - got, (off_t)(at + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -1 : damaged();
		got += (size_t)n;
	}
	if (crc32c(0, r->bytes, want) != g->crc[page])
		return damaged();
	r->page = page;
	r->len = want;
	return 0;
}

/* Hands bytes [at, at + n) to out (NULL: only verifies), page by page. */
static int read_bytes(struct reader *r, uint64_t at, uint64_t n, struct buf *out)
{
	struct cursor c;
	struct str s;

	if (at > r->g->size || n > r->g->size - at)
		return damaged();
	for (; n; at += s.len, n -= s.len) {
		if (read_page(r, at / GENERATION_PAGE))
			return -1;
		c = cursor_from((struct str){r->bytes, r->len});
		cursor_skip(&c, at % GENERATION_PAGE);
		s = cursor_take(&c, n < cursor_left(&c) ? (size_t)n : cursor_left(&c));
		if (c.failed || !s.len)
			return damaged();
		if (out && buf_addstr(out, s))
			return -1;
	}
	return 0;
}

/* Two u32, which may lie across pages. */
static int read_pair(struct reader *r, uint64_t at, uint32_t *a_r, uint32_t *b_r)
{
	struct buf b = {0};
	struct cursor c;

	if (at % GENERATION_PAGE <= GENERATION_PAGE - 8 && at + 8 <= r->g->size) {
		if (read_page(r, at / GENERATION_PAGE))
			return -1;
		c = cursor_from((struct str){r->bytes, r->len});
		cursor_skip(&c, at % GENERATION_PAGE);
	} else {
		if (read_bytes(r, at, 8, &b)) {
			buf_free(&b);
			return -1;
		}
		c = cursor_from(buf_str(&b));
	}
	*a_r = cursor_u32(&c);
	*b_r = cursor_u32(&c);
	buf_free(&b);
	return c.failed ? damaged() : 0;
}

/* 1 equal, 0 other, -1 + errno. */
static int compare(struct reader *r, uint64_t at, struct str key)
{
	struct cursor c, want = cursor_from(key);
	struct str s;

	if (at > r->g->size || key.len > r->g->size - at)
		return damaged();
	while (!cursor_done(&want)) {
		if (read_page(r, at / GENERATION_PAGE))
			return -1;
		c = cursor_from((struct str){r->bytes, r->len});
		cursor_skip(&c, at % GENERATION_PAGE);
		s = cursor_take(&c, cursor_left(&want) < cursor_left(&c) ? cursor_left(&want) :
			cursor_left(&c));
		if (c.failed || !s.len)
			return damaged();
		if (!str_eq(s, cursor_take(&want, s.len)))
			return 0;
		at += s.len;
	}
	return 1;
}

static int take_value(struct reader *r, uint64_t at, uint64_t n, struct generation_value *v_r,
	struct buf *out)
{
	uint32_t lo, hi;

	if (n < 8)
		return damaged();
	if (read_pair(r, at, &lo, &hi))
		return -1;
	v_r->lsn = ((uint64_t)hi << 32 | lo) & ~REMOVED;
	v_r->removed = hi >> 31;
	return out && read_bytes(r, at + 8, n - 8, out) ? -1 : 1;
}

int generation_find(const struct generation *g, uint16_t space, struct str key,
	struct generation_value *v_r, struct buf *out)
{
	unsigned char whole[2 + KV_KEY_MAX];
	uint32_t hash, slots, at, found, record, klen, vlen, i;
	struct reader r;
	int same;

	if (key.len > KV_KEY_MAX)
		return 0;
	whole[0] = (unsigned char)space;
	whole[1] = (unsigned char)(space >> 8);
	memcpy(whole + 2, key.p, key.len);
	hash = cdb_hash(whole, (unsigned)key.len + 2);
	slots = g->table[hash & 255].n;
	at = g->table[hash & 255].at;
	r.g = g;
	r.page = UINT64_MAX;
	for (i = 0; i < slots; i++) {
		if (read_pair(&r, at + (uint64_t)((hash >> 8) + i) % slots * 8, &found, &record))
			return -1;
		if (!record)
			return 0;
		if (found != hash)
			continue;
		if (read_pair(&r, record, &klen, &vlen))
			return -1;
		if (klen != key.len + 2)
			continue;
		same = compare(&r, (uint64_t)record + 8, (struct str){(const char *)whole, klen});
		if (same < 0)
			return -1;
		if (same)
			return take_value(&r, (uint64_t)record + 8 + klen, vlen, v_r, out);
	}
	return 0;
}

int generation_each(const struct generation *g, int (*each)(void *arg, uint16_t space, struct str key,
	const struct generation_value *v, struct str value), void *arg)
{
	struct reader *r = malloc(sizeof(*r));
	uint64_t at = HEADER, end = g->table[0].at;
	struct generation_value v;
	struct buf key = {0}, value = {0};
	uint32_t klen, vlen;
	struct cursor c;
	uint16_t space;
	int answer = r ? 0 : -1;

	if (r) {
		r->g = g;
		r->page = UINT64_MAX;
	}
	for (; !answer && at < end; at += 8 + (uint64_t)klen + vlen) {
		buf_clear(&key);
		buf_clear(&value);
		answer = -1;
		if (read_pair(r, at, &klen, &vlen))
			break;
		if (klen < 2 || klen > 2 + KV_KEY_MAX || vlen < 8) {
			damaged();
			break;
		}
		if (read_bytes(r, at + 8, klen, &key) ||
			take_value(r, at + 8 + klen, vlen, &v, &value) < 0)
			break;
		c = cursor_from(buf_str(&key));
		space = cursor_u16(&c);
		answer = each(arg, space, cursor_take(&c, cursor_left(&c)), &v, buf_str(&value));
	}
	buf_free(&key);
	buf_free(&value);
	free(r);
	return answer;
}

int generation_next_damage(const struct generation *g, uint64_t *at)
{
	struct reader r = {.g = g};

	for (*at -= *at % GENERATION_PAGE; *at < g->size; *at += GENERATION_PAGE) {
		r.page = UINT64_MAX;
		if (read_page(&r, *at / GENERATION_PAGE))
			return 1;
	}
	return 0;
}

/* ---- opening ---- */

static int read_tail(struct generation *g, unsigned class, const struct format_key *k, uint32_t *list_r)
{
	char bytes[GENERATION_TAIL];
	struct cursor c = cursor_from((struct str){bytes, sizeof(bytes)});
	struct stat st;
	struct str magic, salt;
	uint64_t pages;
	uint16_t version;

	if (fstat(g->fd, &st))
		return -1;
	if (st.st_size < (off_t)(HEADER + GENERATION_TAIL) ||
		pread(g->fd, bytes, sizeof(bytes), st.st_size - (off_t)GENERATION_TAIL) !=
			(ssize_t)sizeof(bytes))
		return damaged();
	magic = cursor_take(&c, 8);
	version = cursor_u16(&c);
	g->class = cursor_u16(&c);
	cursor_skip(&c, 4);
	salt = cursor_take(&c, SALT_SIZE);
	g->size = cursor_u64(&c);
	g->entries = cursor_u64(&c);
	g->last = cursor_u64(&c);
	*list_r = cursor_u32(&c);
	if (!str_eq(magic, STR("SATTABLE")))
		return damaged();
	if (cursor_u32(&c) != crc32c(k->seed, bytes, GENERATION_TAIL - 4))
		return damaged();
	if (version > FORMAT_VERSION) {
		errno = ENOTSUP;
		return -1;
	}
	pages = (g->size + GENERATION_PAGE - 1) / GENERATION_PAGE;
	/* A newer one under the name of an older one would hide what is newer still. */
	if (memcmp(salt.p, k->salt, SALT_SIZE) || g->class != class || g->last > g->number || g->size < HEADER ||
		g->size >> 32 || g->size + pages * 4 + GENERATION_TAIL != (uint64_t)st.st_size)
		return damaged();
	return 0;
}

static int read_list(struct generation *g, const struct format_key *k, uint32_t expect)
{
	size_t pages = (size_t)((g->size + GENERATION_PAGE - 1) / GENERATION_PAGE);
	struct buf b = {0};
	char *room = buf_reserve(&b, pages * 4);
	struct cursor c;
	int answer = -1;

	g->crc = malloc(pages * sizeof(*g->crc));
	if (!room || !g->crc)
		goto free_buf;
	if (pread(g->fd, room, pages * 4, (off_t)g->size) != (ssize_t)(pages * 4) ||
		crc32c(k->seed, room, pages * 4) != expect) {
		damaged();
		goto free_buf;
	}
	buf_commit(&b, pages * 4);
	c = cursor_from(buf_str(&b));
	for (size_t i = 0; i < pages; i++)
		g->crc[i] = cursor_u32(&c);
	answer = 0;
free_buf:
	buf_free(&b);
	return answer;
}

static int read_header(struct generation *g)
{
	struct reader r = {.g = g, .page = UINT64_MAX};

	for (unsigned i = 0; i < 256; i++) {
		if (read_pair(&r, i * 8, &g->table[i].at, &g->table[i].n))
			return -1;
		if (g->table[i].at < HEADER || g->table[i].at > g->size ||
			g->table[i].n > (g->size - g->table[i].at) / 8)
			return damaged();
	}
	return 0;
}

static const char *reason(int error)
{
	if (error == EPROTO)
		return "damaged; `satchel fsck --repair` makes it anew from the log";
	if (error == ENOTSUP)
		return "written by a newer version of this program; not touched";
	return strerror(error);
}

struct generation *generation_open(int dirfd, uint64_t number, unsigned class,
	const struct format_key *k, struct buf *error)
{
	struct generation *g = calloc(1, sizeof(*g));
	char name[GENERATION_NAME_SIZE];
	uint32_t list = 0;
	int why;

	generation_name(name, number, class);
	if (!g) {
		buf_addv(error, "kv/", name, ": out of memory", NULL);
		return NULL;
	}
	g->number = number;
	g->fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	if (g->fd >= 0 && !read_tail(g, class, k, &list) && !read_list(g, k, list) && !read_header(g))
		return g;
	why = errno;
	buf_addv(error, "kv/", name, ": ", reason(why), NULL);
	generation_free(&g);
	errno = why;
	return NULL;
}

void generation_free(struct generation **at)
{
	struct generation *g = *at;

	*at = NULL;
	if (!g)
		return;
	if (g->fd >= 0)
		close(g->fd);
	free(g->crc);
	free(g);
}
