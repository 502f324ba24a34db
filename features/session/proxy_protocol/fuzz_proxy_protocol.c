/* SPDX-License-Identifier: 0BSD */
/* Headers of the PROXY protocol: as a whole, and cut at every place. */
#include <stdint.h>
#include <stdlib.h>

#include "core/server/server.h"
#include "features/session/proxy_protocol/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data, size};
	struct proxy_protocol_header whole, part;
	const char *why = NULL;
	int used = proxy_protocol_parse(in, &whole, &why);

	if (used > PROXY_PROTOCOL_MAX || used > (int)size || (used < 0) != (why != NULL))
		abort();
	/* Who waits for more never waits beyond the longest header. */
	if (used == 0 && size >= PROXY_PROTOCOL_MAX)
		abort();
	if (used > 0 && whole.has_source)
		(void)srv_address_key(&whole.source);
	/* No beginning of a header is taken for a whole one, or for none. */
	for (int n = 0; n < used; n++) {
		if (proxy_protocol_parse((struct str){in.p, (size_t)n}, &part, &why))
			abort();
	}
	return 0;
}
