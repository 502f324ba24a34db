/* SPDX-License-Identifier: 0BSD */
/*
 *   load lmtp port= [conns=] [size=|mix] [rcpts=] [users=]      deliveries
 *   load imap port= what=WORD [conns=] [users=] [messages=] ... one command, again and again: login,
 *                            select, append, store, list, header, body, search, noop
 *                            auth=scram: by SCRAM-SHA-256.  With login each session is the next user's
 *   load idle port= conns= seconds= [users=] [use=1]            sessions in IDLE, just held
 *   load notice port= lmtp= conns= [users=]                     deliveries to sessions in IDLE
 *   load handshake port= tls=13 [conns=] [resume=1]             handshakes up to the first ticket
 * Everywhere: [tls=12|13] [resume=1].
 */
#include "tests/bench/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options opt = {
	.conns = 1, .seconds = 3, .warm = 0.3, .size = "4096", .rcpts = 1, .messages = 1,
	.users = "demo", .password = "demo secret", .what = "noop", .auth = "login",
};

static uint64_t ops, total, failures, bytes;
static uint64_t counted_from, counted_until;
static uint64_t *latency;
static size_t latencies, latency_cap;

uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void fatal(const char *what)
{
	perror(what);
	exit(1);
}

void refused(const char *line)
{
	fprintf(stderr, "refused: %s\n", line);
	exit(1);
}

const char *user_name(unsigned i)
{
	static char name[256];
	const char *colon = strchr(opt.users, ':');
	unsigned n = colon ? (unsigned)atoi(colon + 1) : 0;
	if (!colon)
		return opt.users;
	snprintf(name, sizeof(name), "%.*s%u", (int)(colon - opt.users), opt.users, n ? i % n : 0);
	return name;
}

void latency_add(uint64_t ns)
{
	if (latencies == latency_cap) {
		latency_cap = latency_cap ? latency_cap * 2 : 1 << 20;
		latency = realloc(latency, latency_cap * sizeof(*latency));
		if (!latency)
			fatal("realloc");
	}
	latency[latencies++] = ns;
}

void op_done(uint64_t began, uint64_t n)
{
	uint64_t now = now_ns();
	total++;
	if (now < counted_from || now >= counted_until)
		return;
	ops++;
	bytes += n;
	latency_add(now - began);
}

void op_failed(const char *line)
{
	if (!failures++)
		fprintf(stderr, "the first refusal: %s\n", line);
}

void bytes_came(uint64_t n)
{
	uint64_t now = now_ns();
	if (now >= counted_from && now < counted_until)
		bytes += n;
}

void run(void)
{
	double warm = opt.count ? 0 : opt.warm;
	counted_from = now_ns() + (uint64_t)(warm * 1e9);
	counted_until = opt.count ? UINT64_MAX : counted_from + (uint64_t)(opt.seconds * 1e9);
	while (opt.count ? total + failures < opt.count : now_ns() < counted_until)
		turn(100);
	if (opt.count)
		counted_until = now_ns();
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

double latency_ms(double part)
{
	qsort(latency, latencies, sizeof(*latency), by_value);
	return latencies ? (double)latency[(size_t)((double)(latencies - 1) * part)] / 1e6 : 0;
}

static void save_latencies(void)
{
	FILE *f = opt.save ? fopen(opt.save, "w") : NULL;
	if (!f)
		return;
	for (size_t i = 0; i < latencies; i++)
		fprintf(f, "%.3f\n", (double)latency[i] / 1e6);
	fclose(f);
}

void report(const char *mode)
{
	double took = (double)(counted_until - counted_from) / 1e9;
	save_latencies();
	printf("{\"mode\": \"%s\", \"connections\": %u, \"seconds\": %.3f, \"operations\": %llu, "
	       "\"total\": %llu, \"failed\": %llu, \"per_second\": %.1f, \"mb_per_second\": %.2f, "
	       "\"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", mode, opt.conns, took, (unsigned long long)ops,
		(unsigned long long)total, (unsigned long long)failures, (double)ops / took,
		(double)bytes / took / 1e6, latency_ms(0.5), latency_ms(0.99));
}

static void set(const char *word)
{
	const char *value = strchr(word, '=');
	size_t n = value ? (size_t)(value++ - word) : 0;
	const struct { const char *name; const char **text; unsigned *number; double *real; } table[] = {
		{"conns", NULL, &opt.conns, NULL}, {"seconds", NULL, NULL, &opt.seconds},
		{"warm", NULL, NULL, &opt.warm}, {"size", &opt.size, NULL, NULL},
		{"rcpts", NULL, &opt.rcpts, NULL}, {"messages", NULL, &opt.messages, NULL},
		{"users", &opt.users, NULL, NULL}, {"password", &opt.password, NULL, NULL},
		{"what", &opt.what, NULL, NULL}, {"save", &opt.save, NULL, NULL},
		{"auth", &opt.auth, NULL, NULL}, {"use", NULL, &opt.use, NULL},
		{"tls", NULL, &opt.tls, NULL}, {"resume", NULL, &opt.resume, NULL},
		{"port", NULL, (unsigned *)&opt.port, NULL}, {"lmtp", NULL, (unsigned *)&opt.lmtp, NULL},
	};
	if (value && n == 5 && !memcmp(word, "count", 5)) {
		opt.count = strtoull(value, NULL, 10);
		return;
	}
	for (size_t i = 0; value && i < sizeof(table) / sizeof(*table); i++) {
		if (strlen(table[i].name) != n || memcmp(table[i].name, word, n))
			continue;
		if (table[i].text)
			*table[i].text = value;
		else if (table[i].number)
			*table[i].number = (unsigned)strtoul(value, NULL, 10);
		else
			*table[i].real = atof(value);
		return;
	}
	fprintf(stderr, "load: what is %s?\n", word);
	exit(2);
}

int main(int argc, char **argv)
{
	const struct { const char *name; int (*run)(void); } modes[] = {
		{"lmtp", run_lmtp}, {"imap", run_imap}, {"idle", run_idle}, {"notice", run_notice},
		{"handshake", run_handshake},
	};
	for (int i = 2; i < argc; i++)
		set(argv[i]);
	message_init();
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++) {
		if (!strcmp(argv[1], modes[i].name))
			return modes[i].run();
	}
	fprintf(stderr, "usage: load lmtp|imap|idle|notice|handshake NAME=VALUE... (see tests/bench/load.c)\n");
	return 2;
}
