/* SPDX-License-Identifier: 0BSD */
/* Connections with TLS, and nothing but its handshakes.  Nobody's certificate is verified, its
 * signature is. */
#include "tests/bench/load.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static SSL_CTX *context;

/* 1: the session is ours now.  Each is used once (RFC 8446 C.4). */
static int on_ticket(SSL *tls, SSL_SESSION *came)
{
	struct client *c = SSL_get_app_data(tls);
	c->tickets++;
	if (!opt.resume)
		return 0;
	SSL_SESSION_free(c->session);
	c->session = came;
	return 1;
}

static _Noreturn void failed(const char *what)
{
	fprintf(stderr, "%s: ", what);
	ERR_print_errors_fp(stderr);
	refused("TLS failed");
}

static void start(void)
{
	int version = opt.tls == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;
	context = SSL_CTX_new(TLS_client_method());
	if (!context || !SSL_CTX_set_min_proto_version(context, version) ||
		!SSL_CTX_set_max_proto_version(context, version))
		failed("SSL_CTX_new");
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, on_ticket);
}

void tls_open(struct client *c)
{
	SSL *tls;
	if (!context)
		start();
	c->tls = tls = SSL_new(context);
	c->encrypted = 0;
	c->tickets = 0;
	c->offered = c->session != NULL;
	if (!tls || fcntl(c->fd, F_SETFL, O_NONBLOCK) || !SSL_set_fd(tls, c->fd))
		failed("SSL_new");
	SSL_set_app_data(tls, c);
	if (c->session && !SSL_set_session(tls, c->session))
		failed("SSL_set_session");
	tls_handshake(c);
}

int tls_handshake(struct client *c)
{
	int rc = SSL_connect(c->tls);
	if (rc != 1) {
		if (SSL_get_error(c->tls, rc) != SSL_ERROR_WANT_READ)
			failed("handshake");
		return 0;
	}
	c->encrypted = 1;
	if (c->offered && !SSL_session_reused(c->tls))
		op_failed("a session was not resumed");
	return 1;
}

ssize_t tls_read(struct client *c, char *to, size_t room)
{
	int rc = SSL_read(c->tls, to, (int)room);
	if (rc > 0)
		return rc;
	switch (SSL_get_error(c->tls, rc)) {
	case SSL_ERROR_WANT_READ:
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		failed("read");
	}
}

void tls_write(struct client *c, const char *p, size_t n)
{
	int rc;
	while ((rc = SSL_write(c->tls, p, (int)n)) <= 0) {
		struct pollfd ready = {c->fd, POLLOUT, 0};
		if (SSL_get_error(c->tls, rc) != SSL_ERROR_WANT_WRITE)
			failed("write");
		poll(&ready, 1, 1000);
	}
}

int tls_pending(const struct client *c)
{
	return SSL_pending(c->tls) > 0;
}

void tls_close(struct client *c)
{
	SSL_set_quiet_shutdown(c->tls, 1);
	SSL_shutdown(c->tls); /* or the session would count as broken */
	SSL_free(c->tls);
	c->tls = NULL;
}

static void again(struct client *c)
{
	c->began = now_ns();
	client_open(c, opt.port);
}

/* The ticket comes when the server has seen the client's last message, so its work is over too. */
static void on_encrypted(struct client *c)
{
	char text[LINE];
	client_read(c, text, sizeof(text));
	if (!c->tickets)
		return;
	op_done(c->began, 0);
	client_close(c);
	again(c);
}

int run_handshake(void)
{
	struct client *c = clients_new(opt.conns);
	for (unsigned i = 0; i < opt.conns; i++) {
		c[i].on_encrypted = on_encrypted;
		again(&c[i]);
	}
	run();
	report("handshake");
	free(c);
	return 0;
}
