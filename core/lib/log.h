/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_LOG_H
#define CORE_LIB_LOG_H

/*
 * Log lines to stderr, without stdio: each one write unless gathered; as text, with a "<N>" syslog priority
 * in front when log_init() was told that a supervisor reads them, or as JSON.
 *
 * log_info("login", "user", name, "mech", mech, NULL) prints
 *   satchel gate[123]: login user=alice mech=PLAIN
 * Values with spaces, quotes or control bytes are quoted and escaped, so a client can never forge a
 * line.  Numbers: log_num() returns a short-lived string (a ring of 8).
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/lib/buf.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* role: "master", "gate"...; level: what is let through; priorities: prefix lines with <N>.  To be
 * called again after fork(): lines name the process. */
void log_init(const char *role, enum log_level level, bool priorities);
/* On: this thread's lines below warnings are gathered until log_flush(), or 4 KiB of them; a loop
 * under load then writes once a turn. Off: flushes, as by default. */
void log_gather(bool on);
void log_flush(void);
/* Where it is compiled in (LOG_JSON): an object for each line, with the time. */
void log_as_json(bool on);
/* Event, then pairs of key and value, then NULL; errno stays as it was. */
void log_write(enum log_level level, const char *event, ...) __attribute__((sentinel));
/* What nobody compiled in is gone, with its text; arguments are then not evaluated. */
#define LOG_LEVEL_MAX                                                                              \
	(ENABLE_LOG_UPTO_DEBUG ? LOG_LEVEL_DEBUG : ENABLE_LOG_UPTO_INFO ? LOG_LEVEL_INFO :             \
		ENABLE_LOG_UPTO_WARNING ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR)
#define log_at(level, ...) ((level) <= LOG_LEVEL_MAX ? log_write((level), __VA_ARGS__) : (void)0)
#define log_error(...)     log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...)   log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)      log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)     log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
const char *log_num(int64_t n);
/* A struct str as a short-lived zero-terminated string (cut at 200 bytes; same ring). */
const char *log_str(struct str s);

/* For use before listening or when a role cannot go on: prints event and errno text, exits 1. */
_Noreturn void die(const char *event, ...) __attribute__((sentinel));
/* A broken invariant: prints and aborts. */
_Noreturn void bug(const char *what);

#endif
