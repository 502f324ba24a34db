/* SPDX-License-Identifier: 0BSD */
/* One mailbox with many messages: what asking and changing cost after opening the spool, and memory.
 * `bench_index DIR [MESSAGES]` */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "core/lib/loop.h"
#include "core/store/store.h"
#include "core/store/view.h"

static struct loop *loop;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static long resident_kb(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		abort();
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void say(const char *what, double from)
{
	printf("%-34s %12.1f us %9ld KB resident\n", what, now() - from, resident_kb());
}

static struct store *open_store(const char *dir)
{
	struct store_options o = {.dir = dir, .checkpoint_interval = 86400, .body_budget = 64 << 20};
	struct buf error = {0};
	struct store *s = store_open(loop, &o, &error);

	if (!s) {
		fprintf(stderr, "%.*s\n", (int)error.len, error.data + error.off);
		exit(1);
	}
	return s;
}

static struct mailbox *inbox(struct store *s)
{
	struct account *a;

	if (account_open(s, STR("bench"), true, &a) != 1)
		abort();
	return mailbox_find(a, STR("INBOX"));
}

static void fill(struct store *s, uint32_t n)
{
	struct message_new v[1000] = {{0}};
	struct body *b = body_new(s);

	buf_adds(body_buf(b), "Subject: x\r\n\r\nhello\r\n");
	if (body_finish(b))
		abort();
	for (int i = 0; i < 1000; i++)
		v[i].body = b;
	for (uint32_t done = mailbox_messages(inbox(s)); done < n; done += 1000) {
		if (mailbox_append(inbox(s), v, 1000, NULL, NULL))
			abort();
		while (store_durable(s) != store_last_lsn(s))
			loop_turn(loop, 10);
	}
	body_free(&b);
}

static void measure(struct store *s, double from)
{
	struct message msg;
	struct view *v;
	uint32_t uid, n;

	say("open the spool", from);
	from = now();
	n = mailbox_messages(inbox(s));
	if (mailbox_unseen(inbox(s)) > n)
		abort();
	say("STATUS, first", from);
	from = now();
	v = view_open(inbox(s), false);
	if (!v || view_exists(v) != n || view_first_unseen(v) > n)
		abort();
	say("SELECT", from);
	from = now();
	if (view_message(v, view_seq(v, n / 2), &msg) != 1)
		abort();
	say("UID FETCH of one", from);
	from = now();
	uid = n / 3;
	if (mailbox_flag(inbox(s), &uid, 1, MESSAGE_ADD, MESSAGE_FLAGGED, 0, NULL))
		abort();
	say("a flag", from);
	from = now();
	for (uint32_t i = 0; i < 10000; i++)
		if (view_seq(v, 1 + (i * 7919u) % n) == 0)
			abort();
	say("10,000 UIDs to numbers, scattered", from);
	view_close(&v);
	from = now();
	if (store_checkpoint(s))
		abort();
	say("checkpoint of that flag", from);
}

int main(int argc, char **argv)
{
	uint32_t n = argc > 2 ? (uint32_t)atoi(argv[2]) : 1000000;
	struct store *s;
	double from;

	if (argc < 2)
		return 2;
	log_init("bench", LOG_LEVEL_ERROR, false);
	loop = loop_new();
	if (access(argv[1], F_OK)) {
		from = now();
		s = open_store(argv[1]);
		fill(s, n);
		say("append all", from);
		store_close(&s);
		say("append all, closed", from);
		puts("run again to measure from a spool that is there");
		return 0;
	}
	from = now();
	s = open_store(argv[1]);
	measure(s, from);
	store_close(&s);
	loop_free(&loop);
	return 0;
}
