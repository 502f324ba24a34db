/* SPDX-License-Identifier: 0BSD */
#include "core/server/gate_conn.h"

#include "core/hooks.h"
#include "core/lib/log.h"
#include "core/server/preface.h"

int gate_preface_expect(struct gate_conn *c, const char *listener,
	const struct sockaddr_storage *peer)
{
	FEATURE_EACH (f) {
		enum hook_result rc = f->gate_accept ? f->gate_accept(listener, peer) : HOOK_PASS;

		if (rc == HOOK_FAIL)
			return -1;
		if (rc != HOOK_DONE)
			continue;
		c->preface = f;
		/* Who is behind it is not known yet. */
		gate_set_address(c, 0);
		break;
	}
	return 0;
}

int gate_preface_read(struct gate_conn *c)
{
	struct preface p = {.has_peer = false};
	const char *why = "it is too long";
	int used = c->preface->gate_preface(buf_str(&c->p.in), &p, &why);

	if (used == 0 && c->p.in.len < c->p.in.max)
		return 0;
	if (used <= 0) {
		log_warning("malformed preface, connection closed", "service", c->protocol->name, "peer",
			c->peer, "feature", c->preface->name, "why", why, NULL);
		return -1;
	}
	buf_consume(&c->p.in, (size_t)used);
	c->preface = NULL;
	if (p.has_peer) {
		gate_set_peer(c, &p.peer);
		gate_set_address(c, srv_address_key(&p.peer));
	}
	c->p.secure |= p.secure;
	return 1;
}
