/* SPDX-License-Identifier: 0BSD */
/* Lines of an import: what is taken is taken again unchanged. */
#include <stdint.h>
#include <stdlib.h>

#include "features/delivery/alias/alias.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_clean(const struct buf *address, bool key)
{
	struct buf again = {0};

	if (alias_clean(buf_str(address), key, &again) || !str_eq(buf_str(&again), buf_str(address)))
		abort();
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_from((struct str){(const char *)data, size});
	struct buf address = {0}, target = {0};
	unsigned number = 0;

	while (alias_line(&c, &number, &address, &target) > 0) {
		must_be_clean(&address, true);
		must_be_clean(&target, false);
	}
	if (number > size)
		abort();
	buf_free(&address);
	buf_free(&target);
	return 0;
}
