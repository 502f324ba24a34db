/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_GATE_CONN_H
#define CORE_SERVER_GATE_CONN_H

/*
 * What the files of the gate share: gate.c (life, other roles), gate_conn.c (a connection from the
 * greeting to its hand-off or end), gate_auth.c (its logins), gate_encrypt.c (its handshake),
 * gate_relay.c (an encrypted one after its hand-off), gate_table.c (finding and counting them),
 * gate_io.c (bytes), gate_preface.c (what a proxy says first), gate_listen.c (accepting).  Nobody else
 * includes this.
 */

#include <sys/socket.h>

#include "core/lib/prelogin.h"
#include "core/server/failures.h"
#include "core/server/gate.h"
#include "core/server/transport.h"

struct feature;

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
	HANDSHAKE, /* of its encryption */
	WAITING,   /* for auth's answer */
	QUEUED,    /* to be asked: others of its address are WAITING */
	DELAYED,   /* a refusal that is told later */
	LAST,      /* only its last words are still to be written */
	LINGERING, /* written; reads until the client has seen them, so that no reset eats them */
};

struct gate_conn {
	struct loop_fd io;
	struct loop_timer timer, delay;
	struct gate *gate;
	struct gate_conn *next_same; /* in its bucket */
	struct gate_conn *older, *younger; /* in one of gate.age */
	const struct feature *preface; /* reads what stands before the first byte; NULL: nothing */
	const struct gate_protocol *protocol;
	struct prelogin p;
	struct transport_conn *t; /* NULL: not encrypted, or no byte of the handshake has come */
	struct transport_info info;
	enum srv_service service;
	enum conn_state state;
	enum prelogin_auth refusal; /* while DELAYED */
	struct buf refusal_data;
	uint64_t id, address;
	uint64_t received; /* bytes */
	unsigned failures;
	bool exchange;  /* auth keeps something for this connection */
	bool heard;     /* it has sent something */
	bool encrypted; /* from its first byte, or since the client asked for it */
	bool greeted;
	bool blocked;   /* encrypted bytes wait for the socket */
	char peer[64];
	unsigned char token[SRV_TOKEN_SIZE];
};

struct gate_listener {
	struct loop_fd io;
	struct gate *gate;
	enum srv_service service;
	bool encrypted;
	const char *name; /* as in the settings */
};

/* An encrypted connection that mail serves over a socket pair. */
struct gate_relay;

struct gate_slot {
	struct gate_conn *conn; /* NULL: free */
	uint32_t next_free;     /* 1 + its number, 0: none */
};

struct gate_age {
	struct gate_conn *oldest, *youngest;
	size_t n;
};

struct gate {
	struct srv_child child;
	const struct transport *transport; /* NULL: none is compiled in */
	struct failures *failures;
	struct gate_relay *relays;
	size_t n_relays;
	struct gate_listener *listeners;
	size_t n_listeners;
	struct {
		struct gate_slot *v;
		size_t n, cap;
	} slots; /* by the low half of the id */
	uint32_t free_slot; /* 1 + its number, 0: none */
	struct gate_age age[2]; /* those that never sent a byte; the others */
	struct gate_conn *bucket[GATE_BUCKETS]; /* by address */
	size_t count;
	uint32_t turn; /* the high half of ids, so that an old answer meets nobody */
	struct loop_timer resume, drained;
	uint64_t refusals, refusal_logged; /* since the last line, and when that was */
	bool draining, open, retired; /* open: it accepts */
};

/* ---- gate.c ---- */

/* If it drains and this was the last connection: ends the gate, or tells the master that only relays
 * are left. */
void gate_stop_if_drained(struct gate *g);

/* ---- gate_table.c ---- */

/* The connection that has this id, or NULL. */
struct gate_conn *gate_find(struct gate *g, uint64_t id);
/* Gives c its id.  0 / -1 ENOMEM. */
int gate_table_add(struct gate *g, struct gate_conn *c);
void gate_table_remove(struct gate *g, struct gate_conn *c);
/* The connections from this address, and some from others, newest first by next_same. */
struct gate_conn *gate_bucket(const struct gate *g, uint64_t address);
/* How many connections come from this address (srv_address_key()). */
uint64_t gate_count_same(const struct gate *g, uint64_t address);
/* It comes from there, as a proxy says. */
void gate_set_address(struct gate_conn *c, uint64_t address);
/* It sent something. */
void gate_heard(struct gate_conn *c);
/* The one to give up for a newcomer: the oldest of those that sent no byte, or of those that did,
 * whichever are more; not one that auth is busy with.  NULL: none. */
struct gate_conn *gate_oldest(const struct gate *g);

/* ---- gate_io.c ---- */

/* Sends what the socket takes of p.out.  0, or -1: the client is gone. */
int gate_write(struct gate_conn *c);
/* Reads once into p.in.  1 something came, 0 not now, -1 the end. */
int gate_read(struct gate_conn *c);
/* Reads and forgets.  0, or -1: the end. */
int gate_discard(int fd);
/* True if bytes of the client were decrypted and not yet read. */
bool gate_pending(const struct gate_conn *c);
/* True if all of p.out has left. */
bool gate_written(const struct gate_conn *c);
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
/* What other roles are told about it (SRV_TLS, SRV_SECURE). */
uint8_t gate_flags(const struct gate_conn *c);
/* Logs that c was refused something: one line a second, however many are. */
void gate_log_refusal(struct gate_conn *c, const char *event, const char *why);

/* It comes from there: what is logged, and whether passwords may pass. */
void gate_set_peer(struct gate_conn *c, const struct sockaddr_storage *a);
/* Has the protocol greet, or read what came already; c may be gone afterwards. */
void gate_begin(struct gate_conn *c);

/* ---- gate_auth.c ---- */

/* The protocol wants PRELOGIN_AUTH: asks auth, now or when fewer of its address are asking; c may be gone
 * afterwards. */
void gate_auth_ask(struct gate_conn *c);
/* The client gave up, or left. */
void gate_auth_abort(struct gate_conn *c);
/* One of this address is not WAITING any more: who was QUEUED may ask. */
void gate_auth_next(struct gate *g, uint64_t address);
/* An answer; a wrong password is told later, and each further one later still.  0 / -1: nonsense. */
int gate_auth_reply(struct gate *g, struct cursor payload);
/* Auth is gone: who waited for it is told. */
void gate_auth_lost(struct gate *g);
/* Fires gate_conn.delay. */
void gate_auth_delay_over(struct loop_timer *t);

/* ---- gate_encrypt.c ---- */

/* Waits for the client's handshake, or begins with what came of it already. */
void gate_encrypt_begin(struct gate_conn *c);
/* The protocol wants PRELOGIN_ENCRYPT and its answer may still have to leave. */
void gate_encrypt_start(struct gate_conn *c);
/* Goes on with the handshake; c may be gone afterwards. */
void gate_encrypt_go_on(struct gate_conn *c);

/* ---- gate_relay.c ---- */

/* Begins to carry bytes between the client (fd and t, both are taken) and mail (mail_fd, taken too).
 * 0, or -1: all three are gone. */
int gate_relay_start(struct gate *g, int fd, struct transport_conn *t, int mail_fd);
void gate_relay_free_all(struct gate *g);

/* ---- gate_preface.c ---- */

/* Asks the features whether something comes first.  0, or -1: it is not welcome. */
int gate_preface_expect(struct gate_conn *c, const char *listener,
	const struct sockaddr_storage *peer);
/* Bytes came for it.  1 it is complete, 0 not yet, -1 it is malformed: drop c. */
int gate_preface_read(struct gate_conn *c);

/* ---- gate_listen.c ---- */

/* Watches the listeners; gate_open() begins to accept.  0 / -1 ENOMEM. */
int gate_listen(struct gate *g, const struct srv_listeners *listeners);
void gate_open(struct gate *g);
void gate_close_listeners(struct gate *g);

#endif
