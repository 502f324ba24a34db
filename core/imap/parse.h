/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_IMAP_PARSE_H
#define CORE_IMAP_PARSE_H

/*
 * The IMAP grammar (RFC 9051 9, RFC 3501 9) over a command that has been collected whole, with its
 * literals inline.  All return 0 and move the cursor, or -1 and leave it somewhere; strings point
 * into the command, or into the arena where escapes had to be removed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/lib/arena.h"
#include "core/lib/cursor.h"

int imap_parse_sp(struct cursor *c);
/* Nothing may follow. */
int imap_parse_end(struct cursor *c);
int imap_parse_atom(struct cursor *c, struct str *v_r);
int imap_parse_quoted(struct cursor *c, struct arena *a, struct str *v_r);
int imap_parse_literal(struct cursor *c, struct str *v_r);
int imap_parse_string(struct cursor *c, struct arena *a, struct str *v_r);
int imap_parse_astring(struct cursor *c, struct arena *a, struct str *v_r);
int imap_parse_nstring(struct cursor *c, struct arena *a, struct str *v_r); /* NIL: .p NULL */
/* astring or list-mailbox with wildcards (LIST patterns). */
int imap_parse_list_mailbox(struct cursor *c, struct arena *a, struct str *v_r);
/* Mailbox name to UTF-8: accepts UTF-8 and modified UTF-7; INBOX in any case becomes "INBOX". */
int imap_parse_mailbox(struct cursor *c, struct arena *a, struct str *utf8_r);
/* The same for a name that was parsed already. */
int imap_mailbox_utf8(struct str wire, struct arena *a, struct str *utf8_r);
int imap_parse_number(struct cursor *c, uint64_t max, uint64_t *v_r);
int imap_parse_nz_number(struct cursor *c, uint32_t *v_r);

#define IMAP_STAR UINT32_MAX
struct imap_range { uint32_t from, to; }; /* as written, "*" is IMAP_STAR; from may be > to */
struct imap_set { struct imap_range *v; size_t n, cap; bool saved; /* "$" (RFC 5182) */ };
/* Bounded by the command's length. */
int imap_parse_set(struct cursor *c, struct arena *a, struct imap_set *set_r);
/* Puts ranges in order (from <= to, "*" replaced by `star`), sorts, joins. */
void imap_set_normalise(struct imap_set *set, uint32_t star);
bool imap_set_contains(const struct imap_set *set, uint32_t n); /* normalised sets only */

/* "(\Seen $Forwarded)" or (parens not needed) bare flags, as STORE allows: system flags to bits, keywords to
 * a list of names.  \Recent and unknown backslash flags are an error. */
struct imap_flags { uint32_t flags; struct str *keywords; size_t n, cap; };
int imap_parse_flags(struct cursor *c, struct arena *a, bool parens_needed, struct imap_flags *f_r);

#endif
