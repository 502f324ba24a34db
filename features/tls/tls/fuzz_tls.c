/* SPDX-License-Identifier: 0BSD */
/* Whatever comes instead of a handshake: first a byte that says how it is cut, then the bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "features/tls/tls/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_context *context(void)
{
	static struct tls_context *c;
	struct buf pem = {0}, material = {0};

	if (c)
		return c;
	if ((ENABLE_TLS_V13 && tls_psa_setup()) || tls_self_signed_make("localhost", &pem))
		abort();
	buf_addc(&pem, '\0');
	buf_put8(&material, 0);
	buf_putstr(&material, buf_str(&pem));
	buf_putstr(&material, buf_str(&pem));
	buf_putstr(&material, STR(""));
	c = tls_context_new(buf_str(&material));
	buf_wipe(&pem);
	buf_wipe(&material);
	if (!c)
		abort();
	return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd[2];
	struct transport_conn *t;
	enum transport_result rc = TRANSPORT_READ;
	size_t first;

	if (size < 2 || size > 40000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd))
		return 0;
	first = 1 + data[0] % (size - 1);
	t = tls_conn_new(context(), fd[0], SRV_IMAP, (struct str){(const char *)data + 1, first - 1});
	if (!t)
		abort();
	for (size_t at = first; at < size && rc == TRANSPORT_READ;) {
		ssize_t n = write(fd[1], data + at, size - at < 700 ? size - at : 700);

		if (n <= 0)
			abort();
		at += (size_t)n;
		rc = tls_conn_handshake(t);
	}
	/* Without our Finished nobody gets in. */
	if (rc == TRANSPORT_DONE)
		abort();
	tls_conn_rest(t);
	tls_conn_free(&t);
	close(fd[0]);
	close(fd[1]);
	return 0;
}
