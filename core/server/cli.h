/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_CLI_H
#define CORE_SERVER_CLI_H

#include "core/lib/buf.h"

/* The command line: returns the exit status (2: wrong usage). */
int srv_cli(int argc, char **argv);

/* ---- about.c: what the binary says of itself ---- */

void srv_about_help(struct buf *out);
void srv_about_version(struct buf *out);
void srv_about_version_json(struct buf *out);
void srv_about_licenses(struct buf *out);
/* The .config it was built from. */
void srv_about_kconfig(struct buf *out);

#endif
