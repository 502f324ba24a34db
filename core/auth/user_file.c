/* SPDX-License-Identifier: 0BSD */
#include "core/auth/user_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/lib/crc32c.h"

#define SEAL_VERSION " 1 "
/* "satchel-" kind " 1 " 8 digits "\n" */
static size_t seal_len(struct str kind)
{
	return sizeof("satchel-") - 1 + kind.len + sizeof(SEAL_VERSION) - 1 + 8 + 1;
}

static int seal_for(struct buf *out, struct str kind, uint32_t crc)
{
	buf_adds(out, "satchel-");
	buf_addstr(out, kind);
	buf_adds(out, SEAL_VERSION);
	buf_addhex(out, crc, 8);
	return buf_addc(out, '\n');
}

int user_file_seal(struct buf *content, struct str kind)
{
	struct str all = buf_str(content);

	return seal_for(content, kind, crc32c(0, all.p, all.len));
}

static int check_seal(const struct user_file *f, size_t size)
{
	size_t n = seal_len(f->kind);
	struct buf want = {0};
	const char *p;
	int rc = -1;

	if (size <= n || !(p = cdb_get(&f->cdb, (unsigned)size, 0)))
		goto damaged;
	if (seal_for(&want, f->kind, crc32c(0, p, size - n)))
		goto free_want;
	if (!str_eq(buf_str(&want), (struct str){p + size - n, n}))
		goto damaged;
	rc = 0;
	goto free_want;

damaged:
	errno = EPROTO;
free_want:
	buf_free(&want);
	return rc;
}

void user_file_close(struct user_file *f)
{
	int fd;

	if (!f->open)
		return;
	fd = cdb_fileno(&f->cdb);
	cdb_free(&f->cdb);
	close(fd);
	f->open = false;
}

static int open_new(struct user_file *f)
{
	int fd = openat(f->dirfd, f->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &f->seen))
		goto close_fd;
	/* TinyCDB counts in 32 bits. */
	if (!S_ISREG(f->seen.st_mode) || f->seen.st_size > INT32_MAX) {
		errno = EPROTO;
		goto close_fd;
	}
	if (cdb_init(&f->cdb, fd))
		goto close_fd;
	f->open = true;
	if (check_seal(f, (size_t)f->seen.st_size)) {
		int saved = errno;

		user_file_close(f);
		errno = saved;
		return -1;
	}
	return 1;

close_fd:
	{
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return -1;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	/* The open file keeps its inode number from being given to another. */
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int user_file_refresh(struct user_file *f)
{
	struct stat now;

	if (f->open && fstatat(f->dirfd, f->name, &now, 0) == 0 && same_file(&now, &f->seen))
		return 1;
	user_file_close(f);
	return open_new(f);
}

int user_file_find(struct user_file *f, struct str name, struct str *value_r)
{
	int found = cdb_find(&f->cdb, name.p, (unsigned)name.len);

	if (found <= 0)
		return found;
	value_r->len = cdb_datalen(&f->cdb);
	value_r->p = cdb_getdata(&f->cdb);
	return value_r->p ? 1 : -1;
}

int user_file_next(struct user_file *f, unsigned *pos, struct str *name_r, struct str *value_r)
{
	int found;

	if (!*pos)
		cdb_seqinit(pos, &f->cdb);
	found = cdb_seqnext(pos, &f->cdb);
	if (found <= 0)
		return found;
	*name_r = (struct str){cdb_getkey(&f->cdb), cdb_keylen(&f->cdb)};
	*value_r = (struct str){cdb_getdata(&f->cdb), cdb_datalen(&f->cdb)};
	return name_r->p && value_r->p ? 1 : -1;
}
