/* SPDX-License-Identifier: 0BSD */
#include "core/lib/ipc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/lib/log.h"

#define HEADER 8

struct ipc_queued {
	struct ipc_queued *next;
	int fd;
	size_t len;
	char bytes[];
};

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int))];
};

int ipc_pair(int fd_r[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd_r);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void drop_first(struct ipc *c)
{
	struct ipc_queued *q = c->head;

	c->head = q->next;
	if (!c->head)
		c->tail = NULL;
	c->queued -= q->len;
	close_fd(q->fd);
	explicit_bzero(q->bytes, q->len);
	free(q);
}

void ipc_close(struct ipc *c)
{
	if (c->io.fd < 0)
		return;
	if (c->loop)
		loop_del(c->loop, &c->io);
	close(c->io.fd);
	c->io.fd = -1;
	while (c->head)
		drop_first(c);
}

/* 0, or -1 + errno. */
static int send_frame(int channel, const char *bytes, size_t len, int pass_fd)
{
	struct iovec iov = {(void *)(uintptr_t)bytes, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	union control control = {0};
	ssize_t n;

	if (pass_fd >= 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &pass_fd, sizeof(int));
	}
	do
		n = sendmsg(channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

static void flush(struct ipc *c)
{
	while (c->head) {
		struct ipc_queued *q = c->head;

		if (send_frame(c->io.fd, q->bytes, q->len, q->fd)) {
			if (errno == EAGAIN)
				return;
			/* The peer is gone: EPOLLHUP will say so to the owner. */
		}
		drop_first(c);
	}
	loop_set(c->loop, &c->io, EPOLLIN);
}

/* Takes the one descriptor a frame may carry; more of them are closed and -1 is returned. */
static int take_descriptor(struct msghdr *msg, int *fd_r)
{
	int count = 0;

	*fd_r = -1;
	for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m; m = CMSG_NXTHDR(msg, m)) {
		size_t n;

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(m) + i * sizeof(int), sizeof(fd));
			if (count++ == 0)
				*fd_r = fd;
			else
				close(fd);
		}
	}
	if (count > 1 || msg->msg_flags & (MSG_CTRUNC | MSG_TRUNC)) {
		close_fd(*fd_r);
		*fd_r = -1;
		return -1;
	}
	return 0;
}

static void close_and_tell(struct ipc *c)
{
	ipc_close(c);
	c->closed(c);
}

/* Receives one frame.  After the callback c may be gone, so it is not touched again; what else
 * has arrived makes epoll report the channel once more. */
static void receive(struct ipc *c)
{
	/* Most frames are small; asking first is cheaper than a buffer for the largest. */
	ssize_t n = recv(c->io.fd, NULL, 0, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC);
	size_t room = n <= 0 ? 1 : n > HEADER + IPC_PAYLOAD_MAX ? HEADER : (size_t)n;
	char *bytes = malloc(room);
	struct iovec iov = {bytes, room};
	union control control;
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	struct cursor frame;
	uint16_t type;
	int fd;

	if (!bytes)
		return; /* no memory now; the frame waits in the socket */
	n = recvmsg(c->io.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		goto free_bytes;
	if (n <= 0) {
		close_and_tell(c);
		goto free_bytes;
	}
	if (take_descriptor(&msg, &fd))
		goto malformed;
	frame = cursor_from((struct str){bytes, (size_t)n});
	type = cursor_u16(&frame);
	if (cursor_u16(&frame) != 0 || cursor_u32(&frame) != cursor_left(&frame) || frame.failed) {
		close_fd(fd);
		goto malformed;
	}
	c->message(c, type, frame, fd);
	explicit_bzero(bytes, (size_t)n); /* a login request holds a password */
	goto free_bytes;

malformed:
	log_warning("malformed frame from a peer role, channel closed", NULL);
	close_and_tell(c);
free_bytes:
	free(bytes);
}

static void ready(struct loop_fd *io, uint32_t events)
{
	struct ipc *c = (struct ipc *)((char *)io - offsetof(struct ipc, io));

	if (events & EPOLLOUT)
		flush(c);
	if (events & EPOLLIN)
		receive(c);
	else if (events & (EPOLLHUP | EPOLLERR))
		close_and_tell(c);
}

int ipc_start(struct ipc *c, struct loop *l, int fd)
{
	c->io.fd = fd;
	c->io.ready = ready;
	c->loop = l;
	c->head = c->tail = NULL;
	c->queued = 0;
	if (loop_add(l, &c->io, EPOLLIN) == 0)
		return 0;
	close_fd(fd);
	c->io.fd = -1;
	return -1;
}

static int queue(struct ipc *c, struct str header, struct str payload, int pass_fd)
{
	struct ipc_queued *q;

	if (c->queued + header.len + payload.len > IPC_QUEUE_MAX) {
		errno = ENOBUFS;
		return -1;
	}
	q = malloc(sizeof(*q) + header.len + payload.len);
	if (!q) {
		errno = ENOBUFS;
		return -1;
	}
	q->next = NULL;
	q->fd = pass_fd;
	q->len = header.len + payload.len;
	memcpy(q->bytes, header.p, header.len);
	if (payload.len)
		memcpy(q->bytes + header.len, payload.p, payload.len);
	if (c->tail)
		c->tail->next = q;
	else
		c->head = q;
	c->tail = q;
	c->queued += q->len;
	loop_set(c->loop, &c->io, EPOLLIN | EPOLLOUT);
	return 0;
}

int ipc_send(struct ipc *c, uint16_t type, struct str payload, int pass_fd)
{
	unsigned char header[HEADER] = {type & 255, type >> 8, 0, 0, payload.len & 255,
		payload.len >> 8 & 255, payload.len >> 16 & 255, 0};
	struct str head = {(const char *)header, HEADER};
	struct buf frame = {0};
	int error = 0;

	if (c->io.fd < 0) {
		error = EPIPE;
		goto close_passed;
	}
	if (payload.len > IPC_PAYLOAD_MAX) {
		error = EMSGSIZE;
		goto close_passed;
	}
	if (c->head)
		goto enqueue; /* order is kept */
	if (buf_addstr(&frame, head) || buf_addstr(&frame, payload)) {
		error = ENOBUFS;
		goto close_passed;
	}
	if (send_frame(c->io.fd, buf_str(&frame).p, frame.len, pass_fd) == 0)
		goto close_passed;
	if (errno != EAGAIN) {
		error = errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS ? ENOBUFS
										     : EPIPE;
		goto close_passed;
	}
enqueue:
	buf_wipe(&frame);
	if (queue(c, head, payload, pass_fd) == 0)
		return 0;
	error = ENOBUFS;
close_passed:
	buf_wipe(&frame);
	close_fd(pass_fd);
	if (!error)
		return 0;
	errno = error;
	return -1;
}
