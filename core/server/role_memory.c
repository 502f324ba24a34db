/* SPDX-License-Identifier: 0BSD */
#include "core/server/server.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/lib/file.h"

#define STATM_MAX 256

/* proc(5): statm has the size and the resident part, in pages; anybody may read it. */
uint64_t srv_resident_bytes(int pid)
{
	struct buf name = {0}, text = {0};
	struct cursor c;
	uint64_t pages = 0;

	buf_adds(&name, "/proc/");
	buf_addi(&name, pid);
	buf_adds(&name, "/statm");
	if (buf_addc(&name, '\0') == 0 && file_read(AT_FDCWD, buf_str(&name).p, STATM_MAX, &text) == 0) {
		c = cursor_from(buf_str(&text));
		cursor_number(&c, UINT64_MAX);
		cursor_skip(&c, 1);
		pages = cursor_number(&c, UINT64_MAX);
		if (c.failed)
			pages = 0;
	}
	buf_free(&name);
	buf_free(&text);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
