/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/conn.h"

/* A store whose durability the test turns by hand. */
struct store {
	uint64_t durable;
	struct store_waiter *waiter;
};
static struct store store;

uint64_t store_durable(const struct store *s)
{
	return s->durable;
}

void store_wait(struct store *s, struct store_waiter *w, uint64_t lsn)
{
	assert_null(s->waiter);
	w->lsn = lsn;
	s->waiter = w;
}

void store_wait_cancel(struct store_waiter *w)
{
	assert_ptr_equal(store.waiter, w);
	store.waiter = NULL;
}

static void durable(uint64_t lsn, int error)
{
	struct store_waiter *w = store.waiter;

	if (!error)
		store.durable = lsn;
	if (w && (error || w->lsn <= lsn)) {
		store.waiter = NULL;
		w->done(w, error);
	}
}

static struct loop *l;
static struct conn c;
static int peer;
static struct buf seen;
static int inputs, drains, closes, timeouts, losses, inside;
static size_t consume = SIZE_MAX;
static bool echo, close_at_eof, abort_at_input, pause_at_input;

static void on_input(struct conn *conn)
{
	size_t n = conn->in.len < consume ? conn->in.len : consume;

	inside++;
	inputs++;
	buf_add(&seen, buf_str(&conn->in).p, n);
	if (echo && n) {
		buf_add(&conn->out, buf_str(&conn->in).p, n);
		conn_send(conn);
	}
	buf_consume(&conn->in, n);
	if (pause_at_input)
		conn_pause(conn, true);
	if (abort_at_input)
		conn_abort(conn);
	if (conn->eof && close_at_eof)
		conn_close(conn);
	assert_int_equal(closes, 0);
	inside--;
}

static void on_drained(struct conn *conn)
{
	(void)conn;
	drains++;
}

static void on_closed(struct conn *conn)
{
	assert_int_equal(inside, 0);
	assert_int_equal(conn->io.fd, -1);
	closes++;
	conn_free(conn);
}

static void on_timeout(struct conn *conn)
{
	timeouts++;
	conn_close(conn);
}

static struct buf dropped;
static void on_lost(struct conn *conn, int error)
{
	assert_int_equal(error, EIO);
	buf_addstr(&dropped, conn->dropped);
	losses++;
	buf_adds(&conn->out, "lost");
	conn_close(conn);
}

static void start(struct str unread)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	peer = fd[1];
	assert_int_equal(conn_start(&c, l, &store, fd[0], unread), 0);
}

static int setup(void **state)
{
	(void)state;
	l = loop_new();
	memset(&c, 0, sizeof(c));
	memset(&store, 0, sizeof(store));
	inputs = drains = closes = timeouts = losses = 0;
	consume = SIZE_MAX;
	echo = abort_at_input = pause_at_input = false;
	close_at_eof = true;
	c.in_max = 65536;
	c.input = on_input;
	c.drained = on_drained;
	c.closed = on_closed;
	c.timeout = on_timeout;
	c.lost = on_lost;
	peer = -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (!closes) {
		conn_abort(&c);
		loop_turn(l, 0);
	}
	assert_int_equal(closes, 1);
	if (peer >= 0)
		close(peer);
	buf_free(&seen);
	buf_free(&dropped);
	loop_free(&l);
	return 0;
}

static void turns(int n)
{
	while (n--)
		loop_turn(l, 0);
}

static void say(const char *text)
{
	assert_int_equal(write(peer, text, strlen(text)), (ssize_t)strlen(text));
}

/* What the peer can read now. */
static const char *heard(void)
{
	static char text[256];
	ssize_t n = recv(peer, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void out(const char *text)
{
	buf_adds(&c.out, text);
	conn_send(&c);
}

static void test_echo_owns_nothing_when_idle(void **state)
{
	(void)state;
	echo = true;
	start(STR_NULL);
	say("hello");
	turns(2);
	assert_string_equal(heard(), "hello");
	assert_null(c.in.data);
	assert_null(c.out.data);
	assert_int_equal(c.sent, 5);
	assert_int_equal(drains, 1);
}

static void test_unread_bytes_come_first(void **state)
{
	(void)state;
	start(STR("first "));
	assert_int_equal(inputs, 0);
	say("second");
	turns(2);
	assert_int_equal(seen.len, 12);
	assert_memory_equal(buf_str(&seen).p, "first second", 12);
}

static void test_half_lines_keep_little_memory(void **state)
{
	(void)state;
	consume = 0;
	start(STR_NULL);
	say("half");
	turns(1);
	assert_int_equal(c.in.len, 4);
	assert_true(c.in.cap <= 256);
	consume = SIZE_MAX;
	say(" line");
	turns(1);
	assert_memory_equal(buf_str(&seen).p, "half line", 9);
	assert_null(c.in.data);
}

static void test_reading_stops_at_in_max(void **state)
{
	char big[4000] = {0};

	(void)state;
	consume = 0;
	c.in_max = 1000;
	start(STR_NULL);
	assert_int_equal(write(peer, big, sizeof(big)), sizeof(big));
	turns(5);
	assert_int_equal(c.in.len, 1000);
	assert_int_equal(inputs, 1);
}

static void test_barrier_holds_in_order(void **state)
{
	(void)state;
	start(STR_NULL);
	out("free ");
	conn_barrier(&c, 0);
	turns(1);
	assert_string_equal(heard(), "free ");
	out("one ");
	conn_barrier(&c, 5);
	out("two ");
	conn_barrier(&c, 9);
	out("after");
	turns(2);
	assert_string_equal(heard(), "");
	durable(5, 0);
	turns(2);
	assert_string_equal(heard(), "one ");
	durable(8, 0);
	turns(2);
	assert_string_equal(heard(), "");
	durable(9, 0);
	turns(2);
	assert_string_equal(heard(), "two after");
}

static void test_barrier_already_durable_is_free(void **state)
{
	(void)state;
	store.durable = 7;
	start(STR_NULL);
	out("now");
	conn_barrier(&c, 7);
	turns(1);
	assert_string_equal(heard(), "now");
	assert_int_equal(c.holds.n, 0);
}

static void test_lower_barrier_waits_behind_higher(void **state)
{
	(void)state;
	start(STR_NULL);
	out("a");
	conn_barrier(&c, 9);
	out("b");
	conn_barrier(&c, 5);
	turns(1);
	durable(5, 0);
	turns(1);
	assert_string_equal(heard(), "");
	durable(9, 0);
	turns(1);
	assert_string_equal(heard(), "ab");
}

static void test_failed_store_drops_what_waited(void **state)
{
	(void)state;
	start(STR_NULL);
	out("true ");
	conn_barrier(&c, 3);
	out("never");
	conn_barrier(&c, 8);
	turns(1);
	durable(3, 0);
	turns(1);
	assert_string_equal(heard(), "true ");
	durable(8, EIO);
	turns(2);
	assert_int_equal(losses, 1);
	assert_memory_equal(buf_str(&dropped).p, "never", 5);
	assert_string_equal(heard(), "lost");
	assert_int_equal(closes, 1);
}

static void test_close_waits_for_the_barrier(void **state)
{
	(void)state;
	start(STR_NULL);
	out("bye");
	conn_barrier(&c, 4);
	conn_close(&c);
	turns(2);
	assert_int_equal(closes, 0);
	durable(4, 0);
	turns(2);
	assert_int_equal(closes, 1);
	assert_string_equal(heard(), "bye");
}

static void test_close_is_never_called_back_at_once(void **state)
{
	(void)state;
	start(STR_NULL);
	inside++;
	conn_close(&c);
	conn_abort(&c);
	conn_close(&c);
	inside--;
	assert_int_equal(closes, 0);
	turns(1);
	assert_int_equal(closes, 1);
}

static void test_abort_inside_input(void **state)
{
	(void)state;
	abort_at_input = true;
	start(STR_NULL);
	say("x");
	turns(1);
	assert_int_equal(closes, 1);
}

static void test_eof_reaches_the_owner(void **state)
{
	(void)state;
	start(STR_NULL);
	say("last");
	shutdown(peer, SHUT_WR);
	turns(3);
	assert_int_equal(closes, 1);
	assert_memory_equal(buf_str(&seen).p, "last", 4);
}

static void test_peer_hangs_up_while_paused_does_not_spin(void **state)
{
	(void)state;
	pause_at_input = true;
	close_at_eof = false;
	start(STR_NULL);
	say("x");
	turns(1);
	say("y");
	close(peer);
	peer = -1;
	turns(2);
	assert_int_equal(inputs, 1);
	assert_false(c.watched);
	pause_at_input = false;
	conn_pause(&c, false);
	turns(3);
	assert_memory_equal(buf_str(&seen).p, "xy", 2);
	assert_true(c.eof);
}

static void test_resume_offers_left_over_bytes(void **state)
{
	(void)state;
	consume = 1;
	pause_at_input = true;
	start(STR_NULL);
	say("ab");
	turns(3);
	assert_int_equal(seen.len, 1);
	conn_pause(&c, false);
	assert_int_equal(seen.len, 1);
	turns(1);
	assert_memory_equal(buf_str(&seen).p, "ab", 2);
}

static void test_slow_reader_and_drained(void **state)
{
	char block[1000];
	size_t total = 0;
	ssize_t n;

	(void)state;
	memset(block, 'z', sizeof(block));
	start(STR_NULL);
	for (int i = 0; i < 1000; i++)
		buf_add(&c.out, block, sizeof(block));
	conn_send(&c);
	assert_true(conn_full(&c));
	turns(2);
	assert_true(c.blocked);
	assert_int_equal(drains, 0);
	for (int i = 0; i < 10000 && total < 1000 * 1000; i++) {
		char got[8192];

		n = recv(peer, got, sizeof(got), MSG_DONTWAIT);
		total += n > 0 ? (size_t)n : 0;
		turns(1);
	}
	assert_int_equal(total, 1000 * 1000);
	assert_true(drains >= 1);
	assert_null(c.out.data);
}

static void test_silence_times_out_but_not_while_paused(void **state)
{
	(void)state;
	c.timeout_ms = 20;
	start(STR_NULL);
	conn_pause(&c, true);
	turns(1);
	usleep(40000);
	turns(2);
	assert_int_equal(timeouts, 0);
	conn_pause(&c, false);
	turns(1);
	usleep(40000);
	turns(3);
	assert_int_equal(timeouts, 1);
	assert_int_equal(closes, 1);
}

static void test_reader_that_never_reads_ends_a_paused_connection(void **state)
{
	char *block = calloc(1, 4 << 20);

	(void)state;
	c.timeout_ms = 20;
	start(STR_NULL);
	conn_pause(&c, true);
	buf_add(&c.out, block, 4 << 20);
	free(block);
	conn_send(&c);
	for (int i = 0; i < 1000 && !closes; i++) {
		turns(1);
		usleep(5000);
	}
	assert_int_equal(closes, 1);
	assert_int_equal(timeouts, 0);
}

static void test_last_words_survive_unread_input(void **state)
{
	(void)state;
	consume = 0;
	c.in_max = 2;
	start(STR_NULL);
	say("much more than is read");
	turns(1);
	out("too long");
	conn_close(&c);
	turns(3);
	assert_string_equal(heard(), "too long");
	assert_int_equal(closes, 0);
	close(peer);
	peer = -1;
	turns(2);
	assert_int_equal(closes, 1);
}

static void test_vanished_peer_closes(void **state)
{
	(void)state;
	start(STR_NULL);
	close(peer);
	peer = -1;
	out("into the void");
	turns(3);
	assert_int_equal(closes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_echo_owns_nothing_when_idle),
		T(test_unread_bytes_come_first),
		T(test_half_lines_keep_little_memory),
		T(test_reading_stops_at_in_max),
		T(test_barrier_holds_in_order),
		T(test_barrier_already_durable_is_free),
		T(test_lower_barrier_waits_behind_higher),
		T(test_failed_store_drops_what_waited),
		T(test_close_waits_for_the_barrier),
		T(test_close_is_never_called_back_at_once),
		T(test_abort_inside_input),
		T(test_eof_reaches_the_owner),
		T(test_peer_hangs_up_while_paused_does_not_spin),
		T(test_resume_offers_left_over_bytes),
		T(test_slow_reader_and_drained),
		T(test_silence_times_out_but_not_while_paused),
		T(test_reader_that_never_reads_ends_a_paused_connection),
		T(test_last_words_survive_unread_input),
		T(test_vanished_peer_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
