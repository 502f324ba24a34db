/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

/*
 * The load generator of all figures: one thread, epoll, loopback only.  Every mode prints one line
 * of JSON.  A tool for measuring: whatever goes wrong ends it with a line on stderr.
 */
#include <stddef.h>
#include <stdint.h>

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
};
extern struct options opt;

struct client {
	int fd;
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
/* Serves what is ready, for at most so long. */
void turn(int timeout_ms);

/* The i-th user's name, in a buffer that the next call uses again. */
const char *user_name(unsigned i);

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
int run_notice(void);

#endif
