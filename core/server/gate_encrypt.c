/* SPDX-License-Identifier: 0BSD */
/* A connection while its encryption begins. */
#include "core/server/gate_conn.h"

#include <sys/epoll.h>

#include "core/lib/log.h"

void gate_encrypt_begin(struct gate_conn *c)
{
	c->encrypted = true;
	c->state = HANDSHAKE;
	/* Nothing is kept for a client that says nothing. */
	if (c->p.in.len)
		gate_encrypt_go_on(c);
	else
		loop_set(c->gate->child.loop, &c->io, EPOLLIN);
}

/* RFC 9051 6.2.1, RFC 3207 6: what came before the handshake may be anybody's. */
void gate_encrypt_start(struct gate_conn *c)
{
	if (c->p.in.len) {
		log_info("bytes before the handshake, connection refused", "peer", c->peer, NULL);
		gate_say_bye(c, "nothing may be sent before the handshake");
		gate_act(c);
	} else if (gate_written(c)) {
		c->p.want = PRELOGIN_READ;
		gate_encrypt_begin(c);
	} else {
		loop_set(c->gate->child.loop, &c->io, EPOLLOUT);
	}
}

/* Whatever the client said before is forgotten (RFC 3207 4.2). */
static void done(struct gate_conn *c)
{
	if (c->gate->transport->info(c->t, &c->info)) {
		gate_conn_drop(c);
		return;
	}
	log_debug("encrypted", "peer", c->peer, "with", log_str(buf_str(&c->info.version)), NULL);
	c->state = OPEN;
	c->p.state = 0;
	c->p.secure = true;
	c->p.may_encrypt = c->p.must_encrypt = false;
	c->p.certificate = c->info.certificate.len > 0;
	c->p.binding = c->info.exporter.len || c->info.endpoint.len;
	buf_clear(&c->p.tag);
	buf_clear(&c->p.lhlo);
	if (c->greeted)
		gate_act(c);
	else
		gate_begin(c);
}

void gate_encrypt_go_on(struct gate_conn *c)
{
	const struct transport *tr = c->gate->transport;
	enum transport_result rc;

	if (!c->t) {
		c->t = tr->start(c->io.fd, c->service, buf_str(&c->p.in));
		buf_clear(&c->p.in);
		gate_heard(c);
	}
	rc = c->t ? tr->handshake(c->t) : TRANSPORT_FAILED;
	if (rc == TRANSPORT_DONE) {
		done(c);
	} else if (rc == TRANSPORT_READ || rc == TRANSPORT_WRITE) {
		loop_set(c->gate->child.loop, &c->io, rc == TRANSPORT_READ ? EPOLLIN : EPOLLOUT);
	} else {
		if (rc == TRANSPORT_FAILED)
			log_info("handshake failed", "service", c->protocol->name, "peer", c->peer, "why",
				c->t ? tr->error(c->t) : "no memory", NULL);
		gate_conn_drop(c);
	}
}
