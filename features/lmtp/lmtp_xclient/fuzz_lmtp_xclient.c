/* SPDX-License-Identifier: 0BSD */
/* The arguments of XCLIENT: what is taken is an address that the gate can read. */
#include <stdint.h>
#include <stdlib.h>

#include "core/lib/network.h"
#include "features/lmtp/lmtp_xclient/attributes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data, size};
	struct sockaddr_storage a;
	struct buf address = {0};

	if (!lmtp_xclient_parse(cursor_from(in), &address) && address.len) {
		if (network_address(buf_str(&address), &a) || a.ss_family == AF_UNIX)
			abort();
	}
	buf_free(&address);
	return 0;
}
