/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/ipc.h"
#include "core/lib/loop.h"

static struct loop *l;

static int setup(void **state)
{
	(void)state;
	l = loop_new();
	return l ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(&l);
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct probe {
	struct loop_timer timer;
	uint64_t want, fired_at;
	int fired;
	struct loop_timer *stops, *starts;
};

static void probe_fire(struct loop_timer *t)
{
	struct probe *p = (struct probe *)t;

	p->fired++;
	p->fired_at = now_ms();
	if (p->stops)
		loop_timer_stop(p->stops);
	if (p->starts)
		loop_timer_start(l, p->starts, 0);
}

static void timers_fire_once_in_time_and_never_early(void **state)
{
	static const unsigned delays[] = {0, 1, 3, 4, 5, 40, 100, 900, 3000, 4090, 4100, 4500};
	enum { N = sizeof(delays) / sizeof(delays[0]) };
	struct probe p[N] = {0};
	uint64_t start = now_ms();

	(void)state;
	for (int i = 0; i < N; i++) {
		p[i].timer.fire = probe_fire;
		p[i].want = now_ms() + delays[i];
		loop_timer_start(l, &p[i].timer, delays[i]);
	}
	while (now_ms() < start + 4800 && !p[N - 1].fired)
		assert_int_equal(loop_turn(l, 1000), 0);
	for (int i = 0; i < N; i++) {
		assert_int_equal(p[i].fired, 1);
		assert_true(p[i].fired_at >= p[i].want);
		assert_true(p[i].fired_at < p[i].want + 250);
		assert_int_equal(p[i].timer.due, 0);
	}
}

static void a_callback_may_stop_and_start_any_timer(void **state)
{
	struct probe a = {.timer.fire = probe_fire}, b = {.timer.fire = probe_fire},
		     c = {.timer.fire = probe_fire};

	(void)state;
	a.stops = &b.timer;
	b.stops = &a.timer;
	a.starts = b.starts = &c.timer;
	loop_timer_start(l, &a.timer, 5);
	loop_timer_start(l, &b.timer, 5);
	for (int i = 0; i < 100 && !c.fired; i++)
		loop_turn(l, 10);
	assert_int_equal(a.fired + b.fired, 1);
	assert_int_equal(c.fired, 1);
}

static void thousands_of_timers_are_restarted_at_little_cost(void **state)
{
	enum { N = 5000, ROUNDS = 100 };
	struct probe *p = calloc(N, sizeof(*p));
	uint64_t start = now_ms();

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < N; i++) {
			p[i].timer.fire = probe_fire;
			loop_timer_start(l, &p[i].timer, 1800000 + (unsigned)i * 400);
		}
		loop_turn(l, 0);
	}
	/* Half a million restarts; generous for slow machines under a sanitizer. */
	assert_true(now_ms() - start < 5000);
	for (int i = 0; i < N; i++) {
		assert_int_equal(p[i].fired, 0);
		loop_timer_stop(&p[i].timer);
		loop_timer_stop(&p[i].timer);
	}
	free(p);
}

static int idle_runs;

static void idle_again(struct loop_idle *i)
{
	if (++idle_runs < 3)
		loop_idle_add(l, i);
}

static struct loop_idle victim;

static void idle_removes_victim(struct loop_idle *i)
{
	(void)i;
	loop_idle_del(l, &victim);
}

static void idle_never(struct loop_idle *i)
{
	(void)i;
	fail();
}

static void idle_work_runs_once_per_turn_and_can_be_taken_back(void **state)
{
	struct loop_idle again = {.run = idle_again}, killer = {.run = idle_removes_victim};

	(void)state;
	victim = (struct loop_idle){.run = idle_never};
	loop_idle_add(l, &again);
	loop_idle_add(l, &again);
	loop_idle_add(l, &killer);
	loop_idle_add(l, &victim);
	for (int i = 1; i <= 3; i++) {
		loop_turn(l, 1000);
		assert_int_equal(idle_runs, i);
	}
	loop_turn(l, 0);
	assert_int_equal(idle_runs, 3);
	loop_idle_add(l, &victim);
	loop_idle_del(l, &victim);
	idle_runs = 2;
	loop_idle_add(l, &again);
	loop_turn(l, 0);
	assert_int_equal(idle_runs, 3);
}

struct job {
	struct loop_job job;
	int id;
};

static int jobs_run;

static void job_run(struct loop_job *j)
{
	assert_int_equal(((struct job *)j)->id, jobs_run);
	if (++jobs_run == 1000)
		loop_stop(l);
}

static void *post_jobs(void *arg)
{
	struct job *jobs = arg;

	for (int i = 0; i < 1000; i++) {
		jobs[i] = (struct job){{.run = job_run}, i};
		loop_post(l, &jobs[i].job);
	}
	return NULL;
}

static void jobs_of_another_thread_run_in_order_on_the_loop(void **state)
{
	struct job *jobs = calloc(1000, sizeof(*jobs));
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, post_jobs, jobs);
	assert_int_equal(loop_run(l), 0);
	pthread_join(thread, NULL);
	assert_int_equal(jobs_run, 1000);
	free(jobs);
}

struct pair {
	struct loop_fd a, b;
	int events;
};

static struct pair *pair_under_test;

static void pair_ready(struct loop_fd *f, uint32_t events)
{
	struct pair *p = pair_under_test;

	(void)events;
	p->events++;
	loop_del(l, f == &p->a ? &p->b : &p->a);
	loop_del(l, f);
}

static void an_event_for_a_removed_descriptor_is_dropped(void **state)
{
	int fds[2];
	struct pair p = {.events = 0};

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	pair_under_test = &p;
	p.a = (struct loop_fd){.fd = fds[0], .ready = pair_ready};
	p.b = (struct loop_fd){.fd = fds[1], .ready = pair_ready};
	assert_int_equal(write(fds[0], "x", 1), 1);
	assert_int_equal(write(fds[1], "x", 1), 1);
	loop_add(l, &p.a, EPOLLIN);
	loop_add(l, &p.b, EPOLLIN);
	loop_turn(l, 100);
	loop_turn(l, 0);
	assert_int_equal(p.events, 1);
	close(fds[0]);
	close(fds[1]);
}

/* ---- channels ---- */

struct peer {
	struct ipc ipc;
	int messages, closed;
	uint16_t type;
	char text[64];
	size_t len;
	int fd;
	uint32_t expect;
};

static void peer_message(struct ipc *c, uint16_t type, struct cursor payload, int fd)
{
	struct peer *p = (struct peer *)c;
	struct str s;

	p->messages++;
	p->type = type;
	p->len = cursor_left(&payload);
	if (type == 99)
		assert_int_equal(cursor_u32(&payload), p->expect++);
	s = cursor_take(&payload, cursor_left(&payload));
	memcpy(p->text, s.p, s.len < sizeof(p->text) ? s.len : sizeof(p->text));
	p->fd = fd;
}

static void peer_closed(struct ipc *c)
{
	((struct peer *)c)->closed++;
}

#define PEER {.ipc = {.message = peer_message, .closed = peer_closed}, .fd = -1}

static void frames_and_descriptors_arrive_whole(void **state)
{
	struct peer a = PEER, b = PEER;
	int fds[2], pipe_fd[2];
	char c;

	(void)state;
	assert_int_equal(ipc_pair(fds), 0);
	assert_int_equal(pipe(pipe_fd), 0);
	ipc_start(&a.ipc, l, fds[0]);
	ipc_start(&b.ipc, l, fds[1]);
	assert_int_equal(ipc_send(&a.ipc, 7, STR("hello"), pipe_fd[1]), 0);
	loop_turn(l, 100);
	assert_int_equal(b.type, 7);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.text, "hello", 5);
	assert_int_equal(write(b.fd, "y", 1), 1);
	close(b.fd);
	assert_int_equal(read(pipe_fd[0], &c, 1), 1);
	assert_int_equal(read(pipe_fd[0], &c, 1), 0); /* the sender's own copy is closed */
	close(pipe_fd[0]);
	assert_int_equal(ipc_send(&b.ipc, 8, STR(""), -1), 0);
	loop_turn(l, 100);
	assert_int_equal(a.messages, 1);
	assert_int_equal(a.fd, -1);
	ipc_close(&a.ipc);
	assert_int_equal(ipc_send(&a.ipc, 8, STR(""), -1), -1);
	assert_int_equal(errno, EPIPE);
	loop_turn(l, 100);
	assert_int_equal(b.closed, 1);
	assert_int_equal(a.closed, 0);
}

static void a_slow_reader_gets_every_frame_in_order_up_to_the_bound(void **state)
{
	struct peer a = PEER, b = PEER;
	char *big = calloc(1, IPC_PAYLOAD_MAX + 1);
	uint32_t sent = 0;
	int fds[2];

	(void)state;
	ipc_pair(fds);
	ipc_start(&a.ipc, l, fds[0]);
	for (;; sent++) {
		memcpy(big, &sent, 4);
		if (ipc_send(&a.ipc, 99, (struct str){big, IPC_PAYLOAD_MAX}, -1))
			break;
	}
	assert_int_equal(errno, ENOBUFS);
	assert_true(a.ipc.queued <= IPC_QUEUE_MAX);
	assert_true(sent >= IPC_QUEUE_MAX / IPC_PAYLOAD_MAX - 1);
	assert_int_equal(ipc_send(&a.ipc, 99, (struct str){big, IPC_PAYLOAD_MAX + 1}, -1), -1);
	assert_int_equal(errno, EMSGSIZE);
	ipc_start(&b.ipc, l, fds[1]);
	for (int i = 0; i < 10000 && b.messages < (int)sent; i++)
		loop_turn(l, 100);
	assert_int_equal(b.messages, sent);
	assert_int_equal(b.len, IPC_PAYLOAD_MAX);
	assert_int_equal(a.ipc.queued, 0);
	ipc_close(&a.ipc);
	ipc_close(&b.ipc);
	free(big);
}

static void send_raw(int fd, const void *bytes, size_t n, const int *pass, size_t n_pass)
{
	struct iovec iov = {(void *)(uintptr_t)bytes, n};
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int) * 4)] = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_pass) {
		struct cmsghdr *cmsg;

		msg.msg_control = room;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_pass);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n_pass);
		memcpy(CMSG_DATA(cmsg), pass, sizeof(int) * n_pass);
	}
	assert_int_equal(sendmsg(fd, &msg, 0), n);
}

static void garbage_closes_the_channel_and_leaks_no_descriptor(void **state)
{
	static const struct {
		const char *bytes;
		size_t len, descriptors;
	} table[] = {
		{"x", 1, 0},
		{"\1\0\0\0\0\0\0", 7, 1},              /* short header */
		{"\1\0\1\0\0\0\0\0", 8, 1},            /* the zero is not zero */
		{"\1\0\0\0\5\0\0\0abcd", 12, 1},       /* length past the end */
		{"\1\0\0\0\3\0\0\0abcd", 12, 0},       /* length before the end */
		{"\1\0\0\0\377\377\377\377", 8, 0},
		{"\1\0\0\0\0\0\0\0", 8, 3},            /* more than one descriptor */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct peer b = PEER;
		int fds[2], null = dup(2), probe, pass[4] = {null, null, null, null};

		ipc_pair(fds);
		ipc_start(&b.ipc, l, fds[1]);
		probe = dup(2);
		close(probe);
		send_raw(fds[0], table[i].bytes, table[i].len, pass, table[i].descriptors);
		loop_turn(l, 100);
		assert_int_equal(b.closed, 1);
		assert_int_equal(b.messages, 0);
		assert_int_equal(b.ipc.io.fd, -1);
		close(fds[0]);
		close(null);
		/* The lowest free number is not higher than before: nothing was left open. */
		null = dup(2);
		assert_true(null <= probe);
		close(null);
	}
}

static void a_frame_over_the_limit_closes_the_channel(void **state)
{
	struct peer b = PEER;
	size_t n = 8 + IPC_PAYLOAD_MAX + 1;
	char *big = calloc(1, n);
	int fds[2];

	(void)state;
	ipc_pair(fds);
	ipc_start(&b.ipc, l, fds[1]);
	big[4] = 1;
	big[5] = (char)(IPC_PAYLOAD_MAX >> 8 & 255);
	big[6] = IPC_PAYLOAD_MAX >> 16;
	send_raw(fds[0], big, n, NULL, 0);
	loop_turn(l, 100);
	assert_int_equal(b.closed, 1);
	assert_int_equal(b.messages, 0);
	close(fds[0]);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_once_in_time_and_never_early),
		cmocka_unit_test(a_callback_may_stop_and_start_any_timer),
		cmocka_unit_test(thousands_of_timers_are_restarted_at_little_cost),
		cmocka_unit_test(idle_work_runs_once_per_turn_and_can_be_taken_back),
		cmocka_unit_test(jobs_of_another_thread_run_in_order_on_the_loop),
		cmocka_unit_test(an_event_for_a_removed_descriptor_is_dropped),
		cmocka_unit_test(frames_and_descriptors_arrive_whole),
		cmocka_unit_test(a_slow_reader_gets_every_frame_in_order_up_to_the_bound),
		cmocka_unit_test(garbage_closes_the_channel_and_leaks_no_descriptor),
		cmocka_unit_test(a_frame_over_the_limit_closes_the_channel),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
