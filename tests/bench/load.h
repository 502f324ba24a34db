/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

/*
 * The load generator of all figures: one thread, epoll, loopback only.  Every mode prints one line
 * of JSON.  A tool for measuring: whatever goes wrong ends it with a line on stderr.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LINE = 4096 };

struct options {
	int port;              /* where to connect */
	int lmtp;              /* notice: where to deliver */
	unsigned conns;
	double seconds;        /* measured; 0 = until count */
	double warm;           /* seconds before that, not counted in operations */
	uint64_t count;        /* end after so many operations (no warm-up then); 0 = none */
	const char *size;      /* bytes of a message, or "mix" */
	unsigned rcpts;        /* recipients of each message */
	unsigned messages;     /* how many the mailbox holds */
	const char *users;     /* "NAME" or "NAME:COUNT", which means NAME0 ... */
	const char *password;
	const char *what;      /* imap: which command */
	const char *save;      /* where to write each latency, a line each */
	const char *auth;      /* imap: "login", or "scram" for SCRAM-SHA-256 */
	unsigned use;          /* idle: FETCH before IDLE, as somebody who reads */
	unsigned tls;          /* encrypt from the first byte: 12 or 13, the version; 0 = do not */
	unsigned resume;       /* tls: offer each session once again */
};
extern struct options opt;

struct client {
	int fd;
	unsigned opened;       /* how often */
	void *tls;             /* the connection for load_tls.c */
	int encrypted;         /* its handshake is over */
	unsigned tickets;      /* came on this connection */
	void *session;         /* resume: the newest */
	int offered;           /* one was, in this handshake */
	struct scram *scram;   /* what load_scram.c keeps */
	unsigned index;        /* 0 .. conns-1 */
	unsigned step;
	unsigned wait;         /* replies still to come */
	uint64_t count;        /* operations begun */
	uint64_t began;        /* ns */
	uint64_t sent;         /* bytes of the message under way */
	size_t len;
	char line[LINE];
	/* One complete line, without its end. */
	void (*on_line)(struct client *, const char *line);
	/* Instead of all others: the handshake is over, or something came after it. */
	void (*on_encrypted)(struct client *);
	/* Instead of on_line: the tagged line that ends an answer; all before it is only counted. */
	void (*on_tagged)(struct client *, const char *line);
};

uint64_t now_ns(void);
_Noreturn void fatal(const char *what);      /* with errno */
_Noreturn void refused(const char *line);

/* Clients: connect, read, write (waits when the peer does not read). */
struct client *clients_new(unsigned n);
void client_open(struct client *c, int port);
void client_close(struct client *c);
void client_put(struct client *c, const char *p, size_t n);
void client_puts(struct client *c, const char *text);
/* -1: nothing for now. */
ssize_t client_read(struct client *c, char *to, size_t room);
/* Serves what is ready, for at most so long. */
void turn(int timeout_ms);

/* The i-th user's name, in a buffer that the next call uses again. */
const char *user_name(unsigned i);

/* TLS, by OpenSSL.  tls_handshake: 1 when it is over, else 0. */
void tls_open(struct client *c);
int tls_handshake(struct client *c);
ssize_t tls_read(struct client *c, char *to, size_t room);
void tls_write(struct client *c, const char *p, size_t n);
int tls_pending(const struct client *c);
void tls_close(struct client *c);

/* SCRAM-SHA-256 (RFC 7677), what the client says in base64: first, and on the server's first. */
const char *scram_first(struct client *c, const char *user);
const char *scram_final(struct client *c, const char *challenge);

/* Counts: op_done() after each operation; run() turns until the time or the count is reached. */
void op_done(uint64_t began, uint64_t bytes);
void op_failed(const char *line);
void bytes_came(uint64_t n);
void latency_add(uint64_t ns);
double latency_ms(double part);              /* 0.5 = the median */
void run(void);
void report(const char *mode);

/* A message of opt.size with a Message-ID of its own, in a buffer that the next call uses again.
 * `to` stands in the To field. */
const char *message_next(const char *to, size_t *len_r);
void message_init(void);

int run_lmtp(void);
int run_imap(void);
int run_idle(void);
int run_handshake(void);
int run_notice(void);

#endif
