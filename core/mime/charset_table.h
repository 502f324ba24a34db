/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_CHARSET_TABLE_H
#define CORE_MIME_CHARSET_TABLE_H

#include "core/lib/buf.h"

struct charset_table {
	struct str name;     /* lower case */
	uint8_t first;       /* bytes below mean the character of their own number */
	const uint16_t *map; /* from `first` to 0xff */
};

/* Ended by an empty name. */
extern const struct charset_table charset_tables[];

#endif
