/* SPDX-License-Identifier: 0BSD */
#include "core/server/gate_conn.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/log.h"

#define OTHER_DESCRIPTORS 32 /* channels and the like */
#define DRAIN_MS 3000

size_t gate_connections(const struct gate *g)
{
	return g->count;
}

struct srv_child *gate_child(struct gate *g)
{
	return &g->child;
}

void gate_stop_if_drained(struct gate *g)
{
	if (!g->draining || g->count)
		return;
	if (!g->n_relays) {
		loop_stop(g->child.loop);
	} else if (!g->retired) {
		struct buf nothing = {0};

		g->retired = true;
		srv_child_send(&g->child, SRV_MASTER, SRV_RETIRED, &nothing, -1);
	}
}

/* ---- other roles ---- */

static int gate_message(struct srv_child *child, enum srv_role from, uint16_t type,
	struct cursor payload, int fd)
{
	struct gate *g = (struct gate *)child;

	if (fd >= 0) {
		close(fd);
		return -1;
	}
	return from == SRV_AUTH && type == SRV_AUTH_REPLY ? gate_auth_reply(g, payload) : -1;
}

static void gate_peer_down(struct srv_child *child, enum srv_role role)
{
	if (role == SRV_AUTH)
		gate_auth_lost((struct gate *)child);
}

static void drop_all(struct gate *g)
{
	for (size_t i = 0; i < g->slots.n; i++) {
		if (g->slots.v[i].conn)
			gate_conn_drop(g->slots.v[i].conn);
	}
}

static void drain_over(struct loop_timer *t)
{
	struct gate *g = (struct gate *)((char *)t - offsetof(struct gate, drained));

	drop_all(g);
}

static void gate_drain(struct srv_child *child)
{
	struct gate *g = (struct gate *)child;

	if (g->draining)
		return;
	g->draining = true;
	loop_timer_stop(&g->resume);
	gate_close_listeners(g);
	loop_timer_start(g->child.loop, &g->drained, DRAIN_MS);
	for (size_t i = 0; i < g->slots.n; i++) {
		struct gate_conn *c = g->slots.v[i].conn;

		if (!c || c->state == LAST || c->state == LINGERING)
			continue;
		if (c->state == HANDSHAKE) {
			gate_conn_drop(c);
			continue;
		}
		loop_timer_stop(&c->delay);
		c->state = OPEN;
		gate_say_bye(c, "shutting down");
		gate_act(c);
	}
	gate_stop_if_drained(g);
}

static int gate_material(struct srv_child *child, struct str material)
{
	struct gate *g = (struct gate *)child;

	if (!g->transport || g->transport->use(material))
		return -1;
	if (g->draining)
		return 0;
	if (!g->open) {
		gate_open(g);
		srv_child_ready(child);
	}
	return 0;
}

static const struct srv_child_ops gate_ops = {
	.material = gate_material,
	.message = gate_message,
	.peer_down = gate_peer_down,
	.drain = gate_drain,
};

/* ---- life ---- */

struct gate *gate_new(struct loop *l, const struct srv_listeners *listeners)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	srv_child_init(&g->child, l, SRV_GATE, &gate_ops);
	g->transport = srv_transport();
	g->drained.fire = drain_over;
	g->failures = failures_new(srv_settings.login_failure_seconds * 1000);
	if (!g->failures || gate_listen(g, listeners)) {
		failures_free(&g->failures);
		free(g);
		return NULL;
	}
	return g;
}

void gate_free(struct gate **gate)
{
	struct gate *g = *gate;

	if (!g)
		return;
	g->draining = false;
	drop_all(g);
	gate_relay_free_all(g);
	if (g->transport)
		g->transport->stop();
	gate_close_listeners(g);
	loop_timer_stop(&g->resume);
	loop_timer_stop(&g->drained);
	srv_child_close(&g->child);
	failures_free(&g->failures);
	free(g->slots.v);
	free(g->listeners);
	free(g);
	*gate = NULL;
}

int srv_gate_run(int channel, const struct srv_listeners *listeners, int jail, int master_pid)
{
	struct loop *l = loop_new();
	struct gate *g = l ? gate_new(l, listeners) : NULL;
	int rc;

	if (!g || srv_child_connect(&g->child, SRV_MASTER, channel))
		die("cannot start the gate", NULL);
	srv_confine(SRV_GATE, -1, jail, master_pid);
	srv_settings.prelogin_connections = srv_fit_descriptors("prelogin_connections",
		srv_settings.prelogin_connections, OTHER_DESCRIPTORS + listeners->n);
	/* With keys and certificates it begins when the master has sent them. */
	if (!g->transport) {
		gate_open(g);
		srv_child_ready(&g->child);
	}
	rc = loop_run(l);
	gate_free(&g);
	loop_free(&l);
	return rc ? 1 : 0;
}
