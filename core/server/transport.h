/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_TRANSPORT_H
#define CORE_SERVER_TRANSPORT_H

/*
 * What encrypts the gate's connections: a feature fills this in (struct feature, `transport`), the
 * gate and the master call it.  At most one feature has one.
 *
 * Keys and certificates go from the files that the master reads (as root, or whoever it is) to the
 * gate as one piece of bytes, the material; nobody else sees it, and each wipes it after use.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/lib/buf.h"
#include "core/lib/ipc.h"
#include "core/server/messages.h"

/* The feature's own: one encrypted connection. */
struct transport_conn;

/* What is known of a connection after its handshake; "" where there is nothing. */
struct transport_info {
	struct buf version;     /* protocol and cipher: "TLSv1.3 TLS1-3-AES-128-GCM-SHA256" */
	struct buf certificate; /* whom the client's certificate names, if it was verified */
	struct buf exporter;    /* channel binding tls-exporter, RFC 9266 */
	struct buf endpoint;    /* channel binding tls-server-end-point, RFC 5929 */
};

enum transport_result {
	TRANSPORT_DONE,
	TRANSPORT_READ,   /* call again when the socket can be read, */
	TRANSPORT_WRITE,  /* or written */
	TRANSPORT_END,    /* the client sends no more */
	TRANSPORT_FAILED, /* the connection is of no use any more */
};

/* A setting that names places to listen at. */
struct transport_listen {
	enum srv_service service;
	const char *key;
	char **names;
};

struct transport {
	/* Listeners whose connections are encrypted from the first byte; ended by key NULL. */
	const struct transport_listen *listen;

	/* ---- master ---- */
	/* Reads what the settings name, looks whether it fits together, and appends the material.
	 * data_fd: the spool, in which something may be made the first time.  0, or -1: errors has
	 * lines for the admin. */
	int (*load)(int data_fd, struct buf *material, struct buf *errors);

	/* ---- gate; none of these waits ---- */
	/* For connections from now on; those that are there keep what they have.  0 / -1. */
	int (*use)(struct str material);
	/* Frees what use() keeps. */
	void (*stop)(void);
	/* True if a client at another machine may not do anything before the handshake. */
	bool (*required)(void);
	/* The server's side of a connection on this socket, which stays the caller's; `before` was read
	 * from it already.  NULL: no memory, or no material. */
	struct transport_conn *(*start)(int fd, enum srv_service service, struct str before);
	void (*free)(struct transport_conn **t);
	/* DONE, READ, WRITE or FAILED (END: the client left). */
	enum transport_result (*handshake)(struct transport_conn *t);
	/* After it.  0 / -1 ENOMEM. */
	int (*info)(const struct transport_conn *t, struct transport_info *info_r);
	/* Why the last call failed, for the log. */
	const char *(*error)(const struct transport_conn *t);

	/* DONE: bytes() has some, from before or of a new record. */
	enum transport_result (*read)(struct transport_conn *t);
	/* What was received and not yet consumed; borrowed until the next call. */
	struct str (*bytes)(const struct transport_conn *t);
	void (*consume)(struct transport_conn *t, size_t n);
	/* Where bytes to be sent go, *n_r of them at most; NULL while earlier ones wait for flush(). */
	char *(*room)(struct transport_conn *t, size_t *n_r);
	/* Sends n bytes from there.  DONE: they left; WRITE: they wait for flush(). */
	enum transport_result (*write)(struct transport_conn *t, size_t n);
	enum transport_result (*flush)(struct transport_conn *t);
	/* Tells the client that nothing more will be sent. */
	enum transport_result (*shutdown)(struct transport_conn *t);
	/* Gives memory back that is needed only while bytes are under way; cheap. */
	void (*rest)(struct transport_conn *t);
};

/* The one that is compiled in, or NULL. */
const struct transport *srv_transport(void);
void transport_info_free(struct transport_info *i);

/* ---- for the master ---- */

/* The transport's load(), if there is one. */
int srv_material_load(int data_fd, struct buf *material, struct buf *errors);
/* What is wrong with keys and certificates can be said before anything starts.  0 / -1. */
int srv_material_check(int data_fd, struct buf *errors);
/* 0 / -1 + errno. */
int srv_material_send(struct ipc *gate, struct str material);

#endif
