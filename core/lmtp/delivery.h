/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LMTP_DELIVERY_H
#define CORE_LMTP_DELIVERY_H

/* One message for one recipient, as the delivery hooks see it. */

#include <stdbool.h>
#include <stdint.h>

#include "core/lib/buf.h"
#include "core/session.h"
#include "core/store/store.h"

struct delivery {
	struct session *session;
	struct store *store;
	struct str sender;        /* MAIL FROM, without <>; empty for bounces */
	struct str recipient;     /* RCPT TO as given, without <> */
	struct str user;          /* account */
	struct str words;         /* what accounts.cdb has of the user (struct mail, account_lookup) */
	struct str detail;        /* subaddress (RFC 5233), empty if none */
	struct account *account;
	struct mailbox *mailbox;  /* where it goes */
	struct body *body;        /* finished */
	struct str header;        /* header block of the body, borrowed */
	uint64_t now;             /* wall clock seconds */
	uint32_t uid;             /* set before deliver_done */
	uint64_t lsn;             /* barrier of the reply */
	uint32_t flags;           /* enum message_flag that it gets */
	bool exempt;              /* limits of the account do not hold */
	const char *refusal;      /* the reply to a deliver_check that said FAIL; static */
	const char *note;         /* why deliver_check said DONE ("duplicate"), for reply and log */
};

#endif
