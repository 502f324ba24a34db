/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_IPC_H
#define CORE_LIB_IPC_H

/*
 * Framed messages between roles over AF_UNIX SOCK_SEQPACKET pairs, with at most one descriptor
 * each.  A frame is u16 type, u16 zero, u32 length of the payload, then the payload (little endian,
 * at most IPC_PAYLOAD_MAX).  What a peer sends is hostile input: a malformed frame closes the
 * channel and is logged; the receiver reads payloads with a cursor.
 *
 * Sending never waits: what the socket does not take is queued, bounded by IPC_QUEUE_MAX bytes.
 */

#include <stdint.h>

#include "core/lib/buf.h"
#include "core/lib/cursor.h"
#include "core/lib/loop.h"

#define IPC_PAYLOAD_MAX (96 * 1024)
#define IPC_QUEUE_MAX (8 * 1024 * 1024)

struct ipc_queued;

struct ipc {
	struct loop_fd io; /* io.fd = the channel, -1 = closed */
	struct loop *loop;
	/* A message arrived.  fd is -1 or a descriptor the callee now owns.  payload is borrowed. */
	void (*message)(struct ipc *c, uint16_t type, struct cursor payload, int fd);
	/* The peer is gone or broke the framing; the channel is closed already. */
	void (*closed)(struct ipc *c);
	struct ipc_queued *head, *tail;
	size_t queued;
};

/* A connected pair, close-on-exec and non-blocking.  0 / -1 + errno. */
int ipc_pair(int fd_r[2]);
/* Starts serving `fd` (owned from now on).  message and closed must be set.  0 / -1 + errno. */
int ipc_start(struct ipc *c, struct loop *l, int fd);
/* Sends one frame; pass_fd is -1 or a descriptor that is closed here in every case (sent,
 * queued: when sent; failed: at once).  0, or -1: EPIPE closed, EMSGSIZE too large, ENOBUFS queue
 * full. */
int ipc_send(struct ipc *c, uint16_t type, struct str payload, int pass_fd);
/* Closes without calling closed(). */
void ipc_close(struct ipc *c);

#endif
