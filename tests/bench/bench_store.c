/* SPDX-License-Identifier: 0BSD */
/*
 * Deliveries per second through the store's own interface, beside the disk itself: append and
 * fdatasync in groups of the same size.  `bench_store DIR [SECONDS]`
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "core/lib/loop.h"
#include "core/store/store.h"

#define BODY 4096

struct client {
	struct store_waiter w;
	struct store *s;
	struct mailbox *m;
};

static unsigned long done;
static double until;
static char text[BODY + 1];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
		(double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void deliver(struct client *c)
{
	struct body *b = body_new(c->s);
	struct message_new v = {.body = b, .prefix = STR("Return-Path: <sender@example.org>\r\n"
		"Delivered-To: somebody@example.org\r\n"), .internaldate = 1700000000};
	uint64_t lsn;

	buf_add(body_buf(b), text, BODY);
	if (body_finish(b) || mailbox_append(c->m, &v, 1, NULL, &lsn))
		abort();
	body_free(&b);
	store_wait(c->s, &c->w, lsn);
}

static void delivered(struct store_waiter *w, int error)
{
	if (error)
		abort();
	done++;
	if (now() < until)
		deliver((struct client *)(void *)w);
}

static double raw(const char *dir, int group, double seconds)
{
	char path[256];
	double start;
	unsigned long n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/raw", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (start = now(); now() - start < seconds; n += (unsigned long)group) {
		for (int i = 0; i < group; i++)
			if (write(fd, text, BODY) != BODY)
				abort();
		fdatasync(fd);
	}
	seconds = now() - start;
	close(fd);
	unlink(path);
	return (double)n / seconds;
}

static void run(struct loop *l, struct store *s, const char *dir, int clients, double seconds)
{
	struct client *c = calloc((size_t)clients, sizeof(*c));
	double start, used, limit = raw(dir, clients, seconds), rate;
	struct account *a;
	char name[32];

	for (int i = 0; i < clients; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		if (account_open(s, str_from(name), true, &a) != 1)
			abort();
		c[i] = (struct client){.w.done = delivered, .s = s, .m = mailbox_find(a, STR("INBOX"))};
	}
	done = 0;
	used = cpu();
	start = now();
	until = start + seconds;
	for (int i = 0; i < clients; i++)
		deliver(&c[i]);
	while (store_durable(s) != store_last_lsn(s))
		loop_turn(l, 100);
	rate = (double)done / (now() - start);
	printf("%4d clients: %7.0f deliveries/s, %5.1f us CPU each; raw groups %7.0f/s; %3.0f %%\n", clients,
		rate, (cpu() - used) * 1e6 / (double)done, limit, 100 * rate / limit);
	free(c);
}

int main(int argc, char **argv)
{
	double seconds = argc > 2 ? atof(argv[2]) : 3;
	struct loop *l = loop_new();
	struct store_options o = {.checkpoint_interval = 3600, .body_budget = 256 << 20};
	struct buf error = {0};
	char dir[200];
	static const int groups[] = {1, 8, 32, 128};
	struct store *s;
	double start;

	snprintf(dir, sizeof(dir), "%s/bench-store-spool", argc > 1 ? argv[1] : ".");
	o.dir = dir;
	log_init("bench", LOG_LEVEL_WARNING, false);
	memset(text, 'x', BODY);
	for (int i = 76; i < BODY; i += 78)
		memcpy(text + i, "\r\n", 2);
	memcpy(text, "From: a@example.org\r\nTo: b@example.org\r\nSubject: bench\r\n\r\n", 58);
	start = now();
	s = store_open(l, &o, &error);
	printf("open: %.0f ms\n", (now() - start) * 1e3);
	fflush(stdout);
	if (!s) {
		fprintf(stderr, "%.*s\n", (int)error.len, error.data + error.off);
		return 1;
	}
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		run(l, s, argc > 1 ? argv[1] : ".", groups[i], seconds);
	start = now();
	store_close(&s);
	printf("checkpoint and close: %.0f ms\n", (now() - start) * 1e3);
	loop_turn(l, 0);
	start = now();
	s = store_open(l, &o, &error);
	printf("open from checkpoint: %.0f ms\n", (now() - start) * 1e3);
	store_close(&s);
	loop_turn(l, 0);
	loop_free(&l);
	return 0;
}
