/* SPDX-License-Identifier: 0BSD */
#include "features/tls/tls/tls.h"

/* RFC 7301; the name is registered by RFC 8314 7.4 (IANA, "imap"). LMTP has none. */
int tls_alpn_setup(mbedtls_ssl_config *conf)
{
	static const char *imap[] = {"imap", NULL};

	return mbedtls_ssl_conf_alpn_protocols(conf, imap);
}
