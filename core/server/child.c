/* SPDX-License-Identifier: 0BSD */
#include "core/server/server.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "core/lib/log.h"

#define CONTROL_LINE_MAX  4096
#define CONTROL_CHUNK_MAX (64 * 1024)

const char *const srv_role_names[SRV_ROLES] = {"master", "gate", "auth", "mail"};

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static int take_peer(struct srv_child *c, struct cursor payload, int fd)
{
	uint8_t role = cursor_u8(&payload);

	if (fd < 0 || payload.failed || !cursor_done(&payload) || role <= SRV_MASTER ||
		role >= SRV_ROLES || role == (uint8_t)c->role) {
		close_fd(fd);
		return -1;
	}
	if (srv_child_connect(c, role, fd))
		log_error("cannot watch a channel", "role", srv_role_names[role], NULL);
	return 0;
}

static int take_control(struct srv_child *c, struct cursor payload)
{
	uint64_t request = cursor_u64(&payload);
	struct str line = cursor_str(&payload, CONTROL_LINE_MAX);

	if (payload.failed || !cursor_done(&payload))
		return -1;
	if (c->ops->control)
		c->ops->control(c, request, line);
	else
		srv_control_reply(c, request, false, STR("not for this role\n"));
	return 0;
}

static int take_material(struct srv_child *c, struct cursor payload)
{
	struct str material = cursor_str(&payload, IPC_PAYLOAD_MAX);

	if (payload.failed || !cursor_done(&payload) || !c->ops->material)
		return -1;
	return c->ops->material(c, material);
}

static int take_figures(struct srv_child *c, struct cursor payload)
{
	struct str lines = cursor_str(&payload, IPC_PAYLOAD_MAX);

	if (payload.failed || !cursor_done(&payload) || !c->ops->figures)
		return -1;
	c->ops->figures(c, lines);
	return 0;
}

/* The master is trusted no more than it must be: its frames are checked like all others. */
static int from_master(struct srv_child *c, uint16_t type, struct cursor payload, int fd)
{
	if (type == SRV_PEER)
		return take_peer(c, payload, fd);
	close_fd(fd);
	if (fd >= 0)
		return -1;
	if (type == SRV_MATERIAL)
		return take_material(c, payload);
	if (type == SRV_FIGURES)
		return take_figures(c, payload);
	if (type == SRV_CONTROL)
		return take_control(c, payload);
	if (type != SRV_DRAIN || !cursor_done(&payload))
		return -1;
	c->ops->drain(c);
	return 0;
}

static void peer_lost(struct srv_peer *p)
{
	if (p->role == SRV_MASTER)
		die("the master is gone", NULL);
	p->child->ops->peer_down(p->child, p->role);
}

static void on_message(struct ipc *ipc, uint16_t type, struct cursor payload, int fd)
{
	struct srv_peer *p = (struct srv_peer *)((char *)ipc - offsetof(struct srv_peer, ipc));
	int rc;

	if (p->role == SRV_MASTER)
		rc = from_master(p->child, type, payload, fd);
	else
		rc = p->child->ops->message(p->child, p->role, type, payload, fd);
	if (rc == 0)
		return;
	log_warning("unacceptable frame, channel closed", "from", srv_role_names[p->role], "type",
		log_num(type), NULL);
	ipc_close(&p->ipc);
	errno = 0;
	peer_lost(p);
}

static void on_closed(struct ipc *ipc)
{
	struct srv_peer *p = (struct srv_peer *)((char *)ipc - offsetof(struct srv_peer, ipc));

	errno = 0;
	peer_lost(p);
}

void srv_child_init(struct srv_child *c, struct loop *l, enum srv_role role,
	const struct srv_child_ops *ops)
{
	c->loop = l;
	c->role = role;
	c->ops = ops;
	for (int i = 0; i < SRV_ROLES; i++) {
		c->peer[i] = (struct srv_peer){.role = (enum srv_role)i, .child = c};
		c->peer[i].ipc.io.fd = -1;
		c->peer[i].ipc.message = on_message;
		c->peer[i].ipc.closed = on_closed;
	}
}

bool srv_child_connected(const struct srv_child *c, enum srv_role role)
{
	return c->peer[role].ipc.io.fd >= 0;
}

int srv_child_connect(struct srv_child *c, enum srv_role role, int fd)
{
	if (srv_child_connected(c, role)) {
		/* The old one's end was not seen yet; what it was asked is lost. */
		ipc_close(&c->peer[role].ipc);
		c->ops->peer_down(c, role);
	}
	return ipc_start(&c->peer[role].ipc, c->loop, fd);
}

int srv_child_send(struct srv_child *c, enum srv_role role, uint16_t type, const struct buf *payload,
	int pass_fd)
{
	if (payload->failed) {
		close_fd(pass_fd);
		errno = ENOMEM;
		return -1;
	}
	return ipc_send(&c->peer[role].ipc, type, buf_str(payload), pass_fd);
}

void srv_child_ready(struct srv_child *c)
{
	struct buf frame = {0};

	buf_putstr(&frame, srv_confine_missing());
	srv_child_send(c, SRV_MASTER, SRV_READY, &frame, -1);
	buf_free(&frame);
}

void srv_control_reply(struct srv_child *c, uint64_t request, bool ok, struct str text)
{
	struct cursor rest = cursor_from(text);
	struct buf frame = {0};

	do {
		size_t n = cursor_left(&rest) < CONTROL_CHUNK_MAX ? cursor_left(&rest)
								  : CONTROL_CHUNK_MAX;
		struct str chunk = cursor_take(&rest, n);

		buf_clear(&frame);
		buf_put64(&frame, request);
		buf_put8(&frame, ok ? 0 : 1);
		buf_put8(&frame, cursor_done(&rest));
		buf_putstr(&frame, chunk);
		if (srv_child_send(c, SRV_MASTER, SRV_CONTROL_REPLY, &frame, -1))
			break;
	} while (!cursor_done(&rest));
	buf_free(&frame);
}

void srv_child_close(struct srv_child *c)
{
	for (int i = 0; i < SRV_ROLES; i++)
		ipc_close(&c->peer[i].ipc);
}
