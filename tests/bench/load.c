/* SPDX-License-Identifier: 0BSD */
/*
 * The load generator of all figures: one thread, epoll, loopback only.
 *
 *   load lmtp PORT CONNECTIONS SECONDS SIZE USER...   deliveries of SIZE bytes, one per transaction
 *   load idle PORT COUNT SECONDS USER PASSWORD        logged-in IMAP sessions in IDLE, just held
 *
 * Prints one line of JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 512 };

struct client {
	int fd;
	unsigned step;      /* replies seen in this transaction */
	uint64_t count;     /* transactions begun */
	uint64_t began;     /* ns */
	char line[LINE];
	size_t len;
	const char *user;
};

static char *message;
static size_t message_len;
static uint64_t done, failed;
static uint64_t *latency;
static size_t latency_cap;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fatal(const char *what)
{
	perror(what);
	exit(1);
}

static int dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int one = 1;
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		fatal("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void put(struct client *c, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(c->fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			fatal("write");
		p += w;
		n -= (size_t)w;
	}
}

static void puts_to(struct client *c, const char *text)
{
	put(c, text, strlen(text));
}

/* A body of printable lines, the same for every delivery; the header carries a fresh Message-ID. */
static void make_message(size_t size)
{
	message = malloc(size + 64);
	if (!message)
		fatal("malloc");
	while (message_len + 62 < size) {
		for (size_t i = 0; i < 60; i++, message_len++)
			message[message_len] = (char)('a' + message_len * 7 % 26);
		memcpy(message + message_len, "\r\n", 2);
		message_len += 2;
	}
	memcpy(message + message_len, "end\r\n.\r\n", 8);
	message_len += 8;
}

static void lmtp_begin(struct client *c)
{
	char text[LINE];
	snprintf(text, sizeof(text), "MAIL FROM:<load@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\n", c->user);
	c->step = 1;
	c->began = now_ns();
	puts_to(c, text);
}

static void lmtp_data(struct client *c)
{
	char head[LINE];
	snprintf(head, sizeof(head),
		"From: Load <load@example.org>\r\nTo: <%s@example.org>\r\nSubject: message %llu\r\n"
		"Date: Thu, 1 Feb 2024 12:00:00 +0100\r\nMessage-ID: <%d.%llu.%llu@load.example.org>\r\n\r\n",
		c->user, (unsigned long long)c->count, c->fd, (unsigned long long)c->count,
		(unsigned long long)c->began);
	size_t n = strlen(head);
	char *all = malloc(n + message_len);
	if (!all)
		fatal("malloc");
	memcpy(all, head, n);
	memcpy(all + n, message, message_len);
	put(c, all, n + message_len);
	free(all);
	c->count++;
}

static void lmtp_finished(struct client *c)
{
	if (done < latency_cap)
		latency[done] = now_ns() - c->began;
	done++;
}

/* Steps: 0 greeting and LHLO, 1 MAIL, 2 RCPT, 3 DATA, 4 the recipient's reply. */
static void lmtp_line(struct client *c, const char *line)
{
	if (line[3] == '-')
		return;
	if (c->step == 0 && !strncmp(line, "220", 3))
		puts_to(c, "LHLO load.example.org\r\n");
	else if (c->step == 0)
		lmtp_begin(c);
	else if (line[0] != '2' && line[0] != '3') {
		failed++;
		fprintf(stderr, "refused at step %u: %s\n", c->step, line);
		exit(1);
	} else if (c->step++ == 3) {
		lmtp_data(c);
	} else if (c->step == 5) {
		lmtp_finished(c);
		lmtp_begin(c);
	}
}

static void idle_line(struct client *c, const char *line, const char *password)
{
	char text[LINE];
	if (c->step == 0) {
		snprintf(text, sizeof(text), "a LOGIN %s \"%s\"\r\nb SELECT INBOX\r\nc IDLE\r\n", c->user,
			password);
		c->step = 1;
		puts_to(c, text);
	} else if (line[0] == '+') {
		done++;
	} else if (!strncmp(line, "a NO", 4) || !strncmp(line, "* BYE", 5)) {
		fprintf(stderr, "refused: %s\n", line);
		exit(1);
	}
}

static void readable(struct client *c, const char *password)
{
	ssize_t n = read(c->fd, c->line + c->len, sizeof(c->line) - c->len - 1);
	if (n <= 0)
		fatal("the server closed a connection");
	c->len += (size_t)n;
	char *nl;
	c->line[c->len] = 0;
	while ((nl = memchr(c->line, '\n', c->len))) {
		*nl = 0;
		if (password)
			idle_line(c, c->line, password);
		else
			lmtp_line(c, c->line);
		size_t used = (size_t)(nl + 1 - c->line);
		memmove(c->line, nl + 1, c->len -= used);
		c->line[c->len] = 0;
	}
	if (c->len >= sizeof(c->line) - 1)
		c->len = 0; /* a long line nobody reads */
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static double percentile(size_t n, double p)
{
	return n ? (double)latency[(size_t)((double)(n - 1) * p)] / 1e6 : 0;
}

static void turn(int ep, int timeout, const char *password)
{
	struct epoll_event ev[256];
	int n = epoll_wait(ep, ev, 256, timeout);
	for (int i = 0; i < n; i++)
		readable(ev[i].data.ptr, password);
}

static struct client *clients_new(int ep, int port, unsigned n, char **users, int user_count)
{
	struct client *c = calloc(n, sizeof(*c));
	if (!c)
		fatal("calloc");
	for (unsigned i = 0; i < n; i++) {
		c[i].fd = dial(port);
		c[i].user = users[i % (unsigned)user_count];
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &c[i]};
		epoll_ctl(ep, EPOLL_CTL_ADD, c[i].fd, &ev);
	}
	return c;
}

static int run_lmtp(int argc, char **argv)
{
	if (argc < 7)
		return 2;
	unsigned n = (unsigned)atoi(argv[3]);
	int ep = epoll_create1(0);
	double seconds = atof(argv[4]);
	make_message((size_t)atol(argv[5]));
	latency_cap = 4000000;
	latency = malloc(latency_cap * sizeof(*latency));
	clients_new(ep, atoi(argv[2]), n, argv + 6, argc - 6);
	uint64_t from = now_ns(), until = from + (uint64_t)(seconds * 1e9);
	while (now_ns() < until)
		turn(ep, 100, NULL);
	double took = (double)(now_ns() - from) / 1e9;
	size_t kept = done < latency_cap ? done : latency_cap;
	qsort(latency, kept, sizeof(*latency), by_value);
	printf("{\"connections\": %u, \"deliveries\": %llu, \"seconds\": %.2f, \"per_second\": %.0f, "
	       "\"p50_ms\": %.2f, \"p99_ms\": %.2f}\n", n, (unsigned long long)done, took,
		(double)done / took, percentile(kept, 0.5), percentile(kept, 0.99));
	return 0;
}

static int run_idle(int argc, char **argv)
{
	if (argc != 7)
		return 2;
	unsigned n = (unsigned)atoi(argv[3]);
	int ep = epoll_create1(0);
	uint64_t from = now_ns();
	clients_new(ep, atoi(argv[2]), n, argv + 5, 1);
	while (done < n)
		turn(ep, 1000, argv[6]);
	printf("{\"sessions\": %u, \"login_seconds\": %.2f}\n", n, (double)(now_ns() - from) / 1e9);
	fflush(stdout);
	uint64_t until = now_ns() + (uint64_t)(atof(argv[4]) * 1e9);
	while (now_ns() < until)
		turn(ep, 100, argv[6]);
	return 0;
}

int main(int argc, char **argv)
{
	int rc = 2;
	if (argc > 1 && !strcmp(argv[1], "lmtp"))
		rc = run_lmtp(argc, argv);
	else if (argc > 1 && !strcmp(argv[1], "idle"))
		rc = run_idle(argc, argv);
	if (rc == 2)
		fprintf(stderr, "usage: load lmtp PORT CONNECTIONS SECONDS SIZE USER...\n"
				"       load idle PORT COUNT SECONDS USER PASSWORD\n");
	return rc;
}
