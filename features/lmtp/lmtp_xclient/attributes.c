/* SPDX-License-Identifier: 0BSD */
#include "features/lmtp/lmtp_xclient/attributes.h"

#include <sys/socket.h>

#include "core/lib/network.h"
#include "core/lmtp/command.h"

static const char *const known[] = {
	"NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"};

static int hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3461 4: "+" and two digits stand for a byte.  0 / -1 malformed. */
static int add_xtext(struct buf *out, struct str text)
{
	struct cursor c = cursor_from(text);
	int byte;

	while ((byte = cursor_peek(&c)) >= 0) {
		cursor_get(&c);
		if (byte == '+') {
			int high = hex_digit(cursor_get(&c)), low = hex_digit(cursor_get(&c));

			if (high < 0 || low < 0)
				return -1;
			byte = high << 4 | low;
		}
		buf_addc(out, (char)byte);
	}
	return 0;
}

/* "192.0.2.7", "IPV6:2001:db8::7", "[UNAVAILABLE]" or "[TEMPUNAVAIL]". */
static int set_address(struct buf *address, struct str text)
{
	struct cursor c = cursor_from(text);
	struct sockaddr_storage a;
	bool v6 = cursor_accept_word(&c, STR("IPV6:"));

	text = cursor_take(&c, cursor_left(&c));
	buf_clear(address);
	if (!v6 && (str_ieq(text, STR("[UNAVAILABLE]")) || str_ieq(text, STR("[TEMPUNAVAIL]"))))
		return 0;
	/* Never a unix socket: that would be this machine. */
	if (network_address(text, &a) || a.ss_family == AF_UNIX || (v6 && a.ss_family != AF_INET6))
		return -1;
	return buf_addstr(address, text);
}

static bool is_known(struct str name)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (str_ieq(name, str_from(known[i])))
			return true;
	}
	return false;
}

const char *lmtp_xclient_parse(struct cursor c, struct buf *address)
{
	struct buf text = {0};
	struct str key, value;
	const char *wrong = NULL;
	int rc, n = 0;

	while (!wrong && (rc = lmtp_parse_param(&c, &key, &value)) != 0) {
		n++;
		buf_clear(&text);
		if (rc < 0 || !value.p || !is_known(key) || add_xtext(&text, value) || text.failed)
			wrong = "501 5.5.4 Malformed or unknown attribute";
		else if (str_ieq(key, STR("ADDR")) && set_address(address, buf_str(&text)))
			wrong = "501 5.5.4 ADDR is not an address";
	}
	buf_free(&text);
	return n ? wrong : "501 5.5.4 XCLIENT needs attributes";
}
