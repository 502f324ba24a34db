/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_STORE_BACKUP_BACKUP_H
#define FEATURES_STORE_BACKUP_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

struct backup_figures {
	uint64_t linked, copied, kept;
};

/* Says a line on standard error and returns 1. */
int backup_complain(const char *what, const char *which);
/* Makes `to` a spool with all that `from` holds durably.  0, or 1: it has said why. */
int backup_copy(const char *from, const char *to, bool link, struct backup_figures *figures_r);

#endif
