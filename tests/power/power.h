/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_POWER_POWER_H
#define TESTS_POWER_POWER_H

/* What the files of the power test share. */

#include "core/store/store.h"

#define KV_SPACE 3
#define ACCOUNTS 6
extern const char *const power_accounts[ACCOUNTS];
#define KEYS 5
extern const char *const power_keys[KEYS];

/* ---- power.c ---- */

/* Says which invariant is broken and how, and ends the program. */
void broken(const char *invariant, const char *detail) __attribute__((noreturn));

/* ---- state.c ---- */

/* All accounts, mailboxes, messages with their text, and keys; free() it.  UIDNEXT going back since
 * state_forget() is broken(). */
char *state_of(struct store *s);
void state_forget(void);
uint32_t state_highest_validity(struct store *s);
/* The same of a text, and UIDNEXT of a mailbox in it (0: not there). */
uint32_t state_validity_in(const char *text);
uint32_t state_uidnext_in(const char *text, uint64_t id);

#endif
