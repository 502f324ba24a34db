/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_GATE_CONN_H
#define CORE_SERVER_GATE_CONN_H

/*
 * What the files of the gate share: gate.c (life, other roles), gate_conn.c (a connection from the
 * greeting to its hand-off or end), gate_table.c (finding and counting them), gate_io.c (bytes),
 * gate_listen.c (accepting).  Nobody else includes this.
 */

#include "core/lib/prelogin.h"
#include "core/server/gate.h"

#define GATE_BUCKETS  1024
#define GATE_READ_MAX 4096
#define GATE_OUT_HIGH (16 * 1024) /* no more commands are read above this */

/* What a protocol does before login. */
struct gate_protocol {
	const char *name;
	void (*greet)(struct prelogin *p);
	void (*input)(struct prelogin *p);
	void (*auth)(struct prelogin *p, enum prelogin_auth status, struct str data);
	void (*bye)(struct prelogin *p, const char *why);
};

enum conn_state {
	OPEN,
	WAITING,   /* for auth's answer */
	DELAYED,   /* a refusal that is told later */
	LAST,      /* only its last words are still to be written */
	LINGERING, /* written; reads until the client has seen them, so that no reset eats them */
};

struct gate_conn {
	struct loop_fd io;
	struct loop_timer timer, delay;
	struct gate *gate;
	struct gate_conn *next_same; /* in its bucket */
	const struct gate_protocol *protocol;
	struct prelogin p;
	enum srv_service service;
	enum conn_state state;
	enum prelogin_auth refusal; /* while DELAYED */
	struct buf refusal_data;
	uint64_t id, address;
	unsigned failures;
	bool exchange; /* auth keeps something for this connection */
	char peer[64];
	unsigned char token[SRV_TOKEN_SIZE];
};

struct gate_listener {
	struct loop_fd io;
	struct gate *gate;
	enum srv_service service;
};

struct gate {
	struct srv_child child;
	struct gate_listener *listeners;
	size_t n_listeners;
	struct {
		struct gate_conn **v;
		size_t n, cap;
	} slots; /* by the low half of the id */
	struct gate_conn *bucket[GATE_BUCKETS]; /* by address */
	size_t count;
	uint32_t turn; /* the high half of ids, so that an old answer meets nobody */
	struct loop_timer resume, drained;
	bool draining;
};

/* ---- gate.c ---- */

/* Ends the gate if it drains and this was the last connection. */
void gate_stop_if_drained(struct gate *g);

/* ---- gate_table.c ---- */

/* The connection that has this id, or NULL. */
struct gate_conn *gate_find(struct gate *g, uint64_t id);
/* Gives c its id.  0 / -1 ENOMEM. */
int gate_table_add(struct gate *g, struct gate_conn *c);
void gate_table_remove(struct gate *g, struct gate_conn *c);
/* How many connections come from this address (srv_address_key()). */
uint64_t gate_count_same(const struct gate *g, uint64_t address);

/* ---- gate_io.c ---- */

/* Sends what the socket takes of p.out.  0, or -1: the client is gone. */
int gate_write(struct gate_conn *c);
/* Reads once into p.in.  1 something came, 0 not now, -1 the end. */
int gate_read(struct gate_conn *c);
/* Reads and forgets.  0, or -1: the end. */
int gate_discard(struct gate_conn *c);
/* Has the loop report what the connection waits for. */
void gate_watch(struct gate_conn *c);

/* ---- gate_conn.c ---- */

/* Closes the descriptor, unless it has gone to mail already (io.fd is -1 then), and frees c. */
void gate_conn_drop(struct gate_conn *c);
/* Has the protocol say why it ends; gate_act() does it. */
void gate_say_bye(struct gate_conn *c, const char *why);
/* Does what the protocol wants next; c may be gone afterwards. */
void gate_act(struct gate_conn *c);
/* Gives the protocol auth's answer; c may be gone afterwards. */
void gate_answer(struct gate_conn *c, enum prelogin_auth status, struct str data);
/* The same for a wrong password, later; each further one waits longer. */
void gate_answer_late(struct gate_conn *c, enum prelogin_auth status, struct str data);

/* ---- gate_listen.c ---- */

/* Begins to accept.  0 / -1 ENOMEM. */
int gate_listen(struct gate *g, const struct srv_listeners *listeners);
void gate_close_listeners(struct gate *g);

#endif
