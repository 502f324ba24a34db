/* SPDX-License-Identifier: 0BSD */
/* Words of a user in accounts.cdb: no limit is beyond what is counted with. */
#include <stdint.h>
#include <stdlib.h>

#include "features/store/quota/quota.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct quota q = {{UINT64_MAX, UINT64_MAX}, {0, 0}};

	quota_limits_parse((struct str){(const char *)data, size}, q.limit);
	if (q.limit[QUOTA_STORAGE] > (uint64_t)1 << 62 || q.limit[QUOTA_STORAGE] % 1024 ||
		q.limit[QUOTA_MESSAGE] > UINT32_MAX)
		abort();
	/* With everything used nothing fits any more, and a part of it is some percent. */
	if ((q.limit[QUOTA_STORAGE] || q.limit[QUOTA_MESSAGE]) && (quota_fits(&q, 1, 1) || !quota_percent(&q)))
		abort();
	return 0;
}
