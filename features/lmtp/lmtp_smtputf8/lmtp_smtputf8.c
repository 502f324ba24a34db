/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include "core/lmtp/extend.h"

/* RFC 6531 3.4: it takes no value. */
static const char *lmtp_smtputf8_mail(struct lmtp_session *s, struct lmtp_rcpt *r, struct str value)
{
	(void)r;
	if (value.p)
		return "501 5.5.4 SMTPUTF8 takes no value";
	s->tx.utf8 = true;
	return NULL;
}

static const char *const words[] = {"SMTPUTF8", NULL};

static const struct lmtp_param params[] = {
	{"SMTPUTF8", LMTP_AT_MAIL, lmtp_smtputf8_mail},
	{NULL, 0, NULL},
};

const struct feature lmtp_smtputf8_feature = {
	.name = "lmtp_smtputf8",
	.lmtp_words = words,
	.lmtp_params = params,
};
