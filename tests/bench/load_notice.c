/* SPDX-License-Identifier: 0BSD */
/* Sessions in IDLE (RFC 2177): just held, or told of deliveries, one delivery at a time. */
#include "tests/bench/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum step { GREETING, LOGIN, IDLING };
enum { PACE_MS = 5, PATIENCE_MS = 3000 };

static unsigned ready, expected;
static uint64_t sent_at, delivered_at, late, told, after_send;
static struct client sender;
static int reply_seen;

static void on_line(struct client *c, const char *line)
{
	char text[LINE];
	if (c->step == GREETING) {
		snprintf(text, sizeof(text), "a LOGIN %s \"%s\"\r\n", user_name(c->index), opt.password);
		client_puts(c, text);
		c->step = LOGIN;
	} else if (!strncmp(line, "a OK", 4)) {
		client_puts(c, "b SELECT INBOX\r\n");
	} else if (!strncmp(line, "b OK", 4) && opt.use) {
		client_puts(c, "d FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])\r\n");
	} else if (!strncmp(line, "b OK", 4) || !strncmp(line, "d OK", 4)) {
		client_puts(c, "c IDLE\r\n");
	} else if (line[0] == '+') {
		c->step = IDLING;
		ready++;
	} else if (c->step == IDLING && strstr(line, " EXISTS")) {
		/* Before the reply to the sender came: at once. */
		latency_add(delivered_at ? now_ns() - delivered_at : 0);
		after_send += now_ns() - sent_at;
		told++;
		if (expected)
			expected--;
	} else if (strstr(line, " NO ") || strstr(line, " BAD ") || !strncmp(line, "* BYE", 5)) {
		refused(line);
	}
}

static struct client *sessions(double *seconds_r)
{
	struct client *c = clients_new(opt.conns);
	uint64_t from = now_ns();
	for (unsigned i = 0; i < opt.conns; i++) {
		c[i].on_line = on_line;
		client_open(&c[i], opt.port);
		turn(0);
	}
	while (ready < opt.conns)
		turn(1000);
	*seconds_r = (double)(now_ns() - from) / 1e9;
	return c;
}

static void wait_ns(uint64_t ns)
{
	uint64_t until = now_ns() + ns;
	while (now_ns() < until)
		turn(1);
}

int run_idle(void)
{
	double took;
	struct client *c = sessions(&took);
	printf("{\"mode\": \"idle\", \"sessions\": %u, \"login_seconds\": %.3f}\n", opt.conns, took);
	fflush(stdout);
	wait_ns((uint64_t)(opt.seconds * 1e9));
	free(c);
	return 0;
}

static void on_reply(struct client *c, const char *line)
{
	(void)c;
	if (strlen(line) > 3 && line[3] == '-')
		return;
	if (line[0] != '2' && line[0] != '3')
		refused(line);
	reply_seen = 1;
}

static void say(const char *text, size_t n)
{
	reply_seen = 0;
	client_put(&sender, text, n);
	while (!reply_seen)
		turn(1000);
}

/* One delivery; the time from its 250 until each session of that user has been told. */
static void deliver(unsigned user, unsigned watchers)
{
	char text[LINE];
	size_t n;
	const char *m;
	expected = watchers;
	delivered_at = 0;
	say("MAIL FROM:<load@example.net>\r\n", 30);
	say(text, (size_t)snprintf(text, sizeof(text), "RCPT TO:<%s>\r\n", user_name(user)));
	say("DATA\r\n", 6);
	m = message_next(user_name(user), &n);
	memcpy((char *)(uintptr_t)m + n, ".\r\n", 3);
	sent_at = now_ns();
	say(m, n + 3);
	delivered_at = now_ns();
	while (expected && now_ns() < delivered_at + PATIENCE_MS * 1000000ull)
		turn(10);
	late += expected;
	expected = 0;
	wait_ns(PACE_MS * 1000000ull);
}

int run_notice(void)
{
	const char *colon = strchr(opt.users, ':');
	unsigned users = colon ? (unsigned)atoi(colon + 1) : 1, done = 0;
	double took;
	struct client *c = sessions(&took);
	uint64_t until = now_ns() + (uint64_t)(opt.seconds * 1e9);
	sender.on_line = on_reply;
	client_open(&sender, opt.lmtp);
	while (!reply_seen)
		turn(1000);
	say("LHLO load.example.net\r\n", 23);
	for (unsigned u = 0; now_ns() < until; u = (u + 1) % users, done++)
		deliver(u, opt.conns / users + (u < opt.conns % users));
	printf("{\"mode\": \"notice\", \"sessions\": %u, \"login_seconds\": %.3f, \"deliveries\": %u, "
	       "\"never_told\": %llu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
	       "\"mean_after_send_ms\": %.3f}\n", opt.conns, took, done, (unsigned long long)late,
		latency_ms(0.5), latency_ms(0.99),
		told ? (double)after_send / (double)told / 1e6 : 0);
	free(c);
	return 0;
}
