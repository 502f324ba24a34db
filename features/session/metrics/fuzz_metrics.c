/* SPDX-License-Identifier: 0BSD */
/* Heads of requests: as a whole, and cut at every place. */
#include <stdint.h>
#include <stdlib.h>

#include "features/session/metrics/http.h"
#include "features/session/metrics/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data, size};
	struct metrics_request whole, part;
	struct buf text = {0};
	int used = metrics_http_parse(in, &whole);

	if (used > METRICS_HEAD_MAX || used > (int)size || (used == 0 && size >= METRICS_HEAD_MAX))
		abort();
	if (used > 0 && (!whole.method.len || !whole.path.len || *whole.path.p != '/'))
		abort();
	/* No beginning of a head is taken for a whole one, or for none. */
	for (int n = 0; n < used; n++) {
		if (metrics_http_parse((struct str){in.p, (size_t)n}, &part))
			abort();
	}
	metrics_text(in, &text);
	buf_free(&text);
	return 0;
}
