/* SPDX-License-Identifier: 0BSD */
#include "core/mime/mime.h"

static const struct mime_part *nth_child(const struct mime_part *part, uint32_t number)
{
	const struct mime_part *child = number ? part->first_child : NULL;

	while (child && --number)
		child = child->next;
	return child;
}

/* A message has the parts of its multipart, or itself as part 1 (RFC 9051 6.4.5.1). */
static const struct mime_part *part_of_message(const struct mime_part *message, uint32_t number)
{
	if (message->multipart)
		return nth_child(message, number);
	return number == 1 ? message : NULL;
}

const struct mime_part *mime_find(const struct mime_part *top, const uint32_t *numbers, unsigned n,
	const struct mime_part **mime_r, bool *message_r)
{
	const struct mime_part *part = top;
	bool message = true;

	*mime_r = top;
	for (unsigned i = 0; i < n; i++) {
		part = message ? part_of_message(part, numbers[i]) : nth_child(part, numbers[i]);
		if (!part)
			return NULL;
		*mime_r = part;
		message = part->rfc822;
		if (message)
			part = part->first_child;
		else if (!part->multipart && i + 1 < n)
			return NULL;
	}
	*message_r = message;
	return part;
}
