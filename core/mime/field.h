/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_FIELD_H
#define CORE_MIME_FIELD_H

/*
 * The words of structured header fields: comments, tokens, quoted strings, parameters.  Line ends
 * count as blanks, so values need no unfolding first.  Malformed input never fails: what makes no
 * sense is passed over.
 */

#include "core/lib/arena.h"
#include "core/lib/cursor.h"
#include "core/mime/mime.h"

/* Parameters of one field beyond this many are passed over. */
#define FIELD_PARAMS_MAX 64

/* Passes over blanks and nested comments (RFC 5322 3.2.2).  If comment_r is not NULL and a comment
 * was there, it gets the inside of the last outermost one.  True if anything was passed over. */
bool field_skip_cfws(struct cursor *c, struct str *comment_r);
/* A token of RFC 2045 5.1, possibly empty. */
struct str field_token(struct cursor *c);
/* At a double quote: takes the quoted string (to the end if it is not closed) and returns its
 * inside, escapes and folds included. */
struct str field_quoted(struct cursor *c);
/* Appends the inside of a quoted string or comment without its escapes and line ends. */
void field_add_unescaped(struct buf *out, struct str inside);
/* The same as a str: the bytes themselves if nothing is escaped, else in the arena.  0 / -1. */
int field_unescape(struct arena *a, struct str inside, struct str *s_r);
/* Takes the rest as "; name=value" pairs (RFC 2045 5.1), joins the pieces of RFC 2231.  0 / -1 out
 * of memory. */
int field_params(struct arena *a, struct cursor *c, struct mime_param **list_r);

#endif
