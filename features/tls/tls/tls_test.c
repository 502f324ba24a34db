/* SPDX-License-Identifier: 0BSD */
/* Material good and bad, whom a certificate names, and a handshake with a relay's worth of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "features/tls/tls/tls.h"

static struct buf pem, material;

static int setup(void **state)
{
	(void)state;
	if (ENABLE_TLS_V13)
		assert_int_equal(tls_psa_setup(), 0);
	assert_int_equal(tls_self_signed_make("mail.example.org", &pem), 0);
	buf_addc(&pem, '\0');
	buf_put8(&material, 0);
	buf_putstr(&material, buf_str(&pem));
	buf_putstr(&material, buf_str(&pem));
	buf_putstr(&material, STR(""));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_wipe(&pem);
	buf_wipe(&material);
	tls_conn_free_spare();
	return 0;
}

static void what_was_made_fits_together(void **state)
{
	struct buf errors = {0};

	(void)state;
	assert_int_equal(tls_check(buf_str(&pem), "own", buf_str(&pem), "own", &errors), 0);
	assert_int_equal(errors.len, 0);
}

static void another_key_does_not_fit(void **state)
{
	struct buf other = {0}, errors = {0};

	(void)state;
	assert_int_equal(tls_self_signed_make("other.example.org", &other), 0);
	buf_addc(&other, '\0');
	assert_int_equal(tls_check(buf_str(&pem), "a.pem", buf_str(&other), "b.pem", &errors), -1);
	buf_addc(&errors, '\0');
	assert_non_null(strstr(errors.data, "b.pem: the key does not belong to the certificate of a.pem"));
	buf_wipe(&other);
	buf_free(&errors);
}

static void a_host_name_that_is_none_becomes_localhost(void **state)
{
	struct buf made = {0};
	mbedtls_x509_crt cert;
	struct buf name = {0};

	(void)state;
	assert_int_equal(tls_self_signed_make("a,CN=evil", &made), 0);
	buf_addc(&made, '\0');
	mbedtls_x509_crt_init(&cert);
	assert_int_equal(mbedtls_x509_crt_parse(&cert, (unsigned char *)made.data, made.len), 0);
	assert_int_equal(tls_client_cert_read(&cert, &name), 0);
	assert_true(str_eq(buf_str(&name), STR("localhost")));
	mbedtls_x509_crt_free(&cert);
	buf_wipe(&made);
	buf_free(&name);
}

static void material_that_is_cut_or_damaged_is_refused(void **state)
{
	struct str whole = buf_str(&material);
	struct tls_context *c = tls_context_new(whole);

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->endpoint_size, 32);
	tls_context_unref(&c);
	assert_null(c);
	for (size_t n = 0; n < whole.len; n += 97)
		assert_null(tls_context_new((struct str){whole.p, n}));
	for (size_t i = 60; i < 400; i += 31) {
		char *copy = malloc(whole.len);

		memcpy(copy, whole.p, whole.len);
		copy[i] = '!';
		assert_null(tls_context_new((struct str){copy, whole.len}));
		free(copy);
	}
}

/* ---- two ends ---- */

struct ends {
	int fd[2];
	struct tls_context *context;
	struct transport_conn *server;
};

static void ends_open(struct ends *e, struct str before)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, e->fd), 0);
	e->context = tls_context_new(buf_str(&material));
	e->server = tls_conn_new(e->context, e->fd[0], SRV_IMAP, before);
	assert_non_null(e->server);
	/* The context lives as long as its last connection. */
	tls_context_unref(&e->context);
}

static void ends_close(struct ends *e)
{
	tls_conn_free(&e->server);
	close(e->fd[0]);
	close(e->fd[1]);
}

static void what_is_not_tls_fails_and_says_why(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e, STR_NULL);
	assert_int_equal(tls_conn_handshake(e.server), TRANSPORT_READ);
	assert_int_equal(write(e.fd[1], "a LOGIN me secret\r\n", 19), 19);
	assert_int_equal(tls_conn_handshake(e.server), TRANSPORT_FAILED);
	assert_string_equal(tls_conn_error(e.server), "what the client sent is not TLS");
	ends_close(&e);
}

static void bytes_that_were_read_before_count(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e, STR("a LOGIN me secret\r\n"));
	assert_int_equal(tls_conn_handshake(e.server), TRANSPORT_FAILED);
	ends_close(&e);
}

static void a_client_that_leaves_is_no_failure(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e, STR("\x16\x03\x01"));
	shutdown(e.fd[1], SHUT_WR);
	assert_int_equal(tls_conn_handshake(e.server), TRANSPORT_END);
	ends_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_made_fits_together),
		cmocka_unit_test(another_key_does_not_fit),
		cmocka_unit_test(a_host_name_that_is_none_becomes_localhost),
		cmocka_unit_test(material_that_is_cut_or_damaged_is_refused),
		cmocka_unit_test(what_is_not_tls_fails_and_says_why),
		cmocka_unit_test(bytes_that_were_read_before_count),
		cmocka_unit_test(a_client_that_leaves_is_no_failure),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
