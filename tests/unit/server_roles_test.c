/* SPDX-License-Identifier: 0BSD */
/* Each role under frames that no honest peer sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/lib/file.h"
#include "core/lib/log.h"
#include "core/auth/user_edit.h"
#include "core/server/auth_role.h"
#include "core/server/gate.h"
#include "core/server/mail.h"

#define TURNS 6

static struct loop *l;

static void turns(void)
{
	for (int i = 0; i < TURNS; i++)
		loop_turn(l, 10);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A role's channel to `from`; the test holds the other end. */
static int connect_peer(struct srv_child *c, enum srv_role from)
{
	int fd[2];

	assert_int_equal(ipc_pair(fd), 0);
	assert_int_equal(srv_child_connect(c, from, fd[0]), 0);
	return fd[1];
}

static void send_frame(int to, uint16_t type, struct str payload, int pass_fd)
{
	struct buf frame = {0};
	struct iovec iov;
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	buf_put16(&frame, type);
	buf_put16(&frame, 0);
	buf_put32(&frame, (uint32_t)payload.len);
	buf_addstr(&frame, payload);
	iov = (struct iovec){frame.data, frame.len};
	if (pass_fd >= 0) {
		struct cmsghdr *m;

		msg.msg_control = room;
		msg.msg_controllen = sizeof(room);
		m = CMSG_FIRSTHDR(&msg);
		m->cmsg_level = SOL_SOCKET;
		m->cmsg_type = SCM_RIGHTS;
		m->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(m), &pass_fd, sizeof(int));
	}
	assert_int_equal(sendmsg(to, &msg, MSG_NOSIGNAL), frame.len);
	buf_free(&frame);
}

static uint64_t random_state = 88172645463325252u;

static uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

/* Random frames of every type, half of them with a descriptor, from every role: the role lives, its
 * channels to offenders are closed, and no descriptor is left behind. */
static void shower(struct srv_child *c, unsigned rounds)
{
	static const uint16_t types[] = {0, SRV_CONTROL_REPLY, SRV_READY, SRV_AUTH_START, SRV_AUTH_STEP,
		SRV_AUTH_ABORT, SRV_AUTH_REPLY, SRV_GRANT, SRV_HANDOFF, 9999};
	unsigned before = open_descriptors(), closed = 0;

	for (unsigned round = 0; round < rounds; round++) {
		enum srv_role from = (enum srv_role)(1 + next_random() % 3);
		struct buf payload = {0};
		int peer, null = open("/dev/null", O_RDONLY);

		if (from == c->role)
			from = (enum srv_role)(1 + from % 3);
		peer = connect_peer(c, from);
		for (uint32_t n = next_random() % 60; n; n--)
			buf_put8(&payload, next_random() % 3 ? 0 : (uint8_t)next_random());
		send_frame(peer, types[next_random() % 10], buf_str(&payload),
			next_random() % 2 ? null : -1);
		loop_turn(l, 10);
		closed += !srv_child_connected(c, from);
		close(null);
		close(peer);
		buf_free(&payload);
		for (int i = 0; i < TURNS; i++)
			loop_turn(l, 0);
	}
	assert_true(closed > rounds / 2);
	assert_int_equal(open_descriptors(), before);
}

/* ---- gate ---- */

static struct gate *gate;
static int auth_end_fd, mail_end_fd, client;

static int gate_setup(void **state)
{
	static const struct srv_listeners none;
	int fd[2];

	(void)state;
	l = loop_new();
	gate = gate_new(l, &none);
	auth_end_fd = connect_peer(gate_child(gate), SRV_AUTH);
	mail_end_fd = connect_peer(gate_child(gate), SRV_MAIL);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd))
		return -1;
	client = fd[0];
	gate_take(gate, SRV_IMAP, false, "test", fd[1]);
	return 0;
}

static int gate_teardown(void **state)
{
	(void)state;
	gate_free(&gate);
	loop_free(&l);
	close(auth_end_fd);
	close(mail_end_fd);
	close(client);
	return 0;
}

static const char *client_reads(void)
{
	static char text[4096];
	ssize_t n;

	turns();
	n = read(client, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void client_says(const char *text)
{
	assert_int_equal(write(client, text, strlen(text)), strlen(text));
	turns();
}

/* The id of the connection that the gate asks auth about. */
static uint64_t read_request(uint16_t want_type)
{
	char bytes[4096];
	ssize_t n = read(auth_end_fd, bytes, sizeof(bytes));
	struct cursor c;

	assert_true(n > 16);
	c = cursor_from((struct str){bytes, (size_t)n});
	assert_int_equal(cursor_u16(&c), want_type);
	cursor_skip(&c, 6);
	return cursor_u64(&c);
}

static void answer(uint64_t id, uint8_t status, size_t token_size)
{
	struct buf reply = {0};

	buf_put64(&reply, id);
	buf_put8(&reply, status);
	buf_putstr(&reply, STR(""));
	for (size_t i = 0; i < token_size; i++)
		buf_put8(&reply, 'T');
	send_frame(auth_end_fd, SRV_AUTH_REPLY, buf_str(&reply), -1);
	buf_free(&reply);
	turns();
}

static void a_login_is_handed_to_mail_with_token_tag_and_unread_bytes(void **state)
{
	char bytes[4096];
	struct iovec iov = {bytes, sizeof(bytes)};
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))];
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
		.msg_controllen = sizeof(room)};
	struct cursor c;
	ssize_t n;
	int fd;

	(void)state;
	assert_memory_equal(client_reads(), "* OK", 4);
	client_says("a1 LOGIN me pw\r\nb NOOP\r\n");
	answer(read_request(SRV_AUTH_START), PRELOGIN_AUTH_OK, SRV_TOKEN_SIZE);
	n = recvmsg(mail_end_fd, &msg, MSG_DONTWAIT);
	assert_true(n > 0);
	c = cursor_from((struct str){bytes, (size_t)n});
	assert_int_equal(cursor_u16(&c), SRV_HANDOFF);
	cursor_skip(&c, 6);
	assert_int_equal(cursor_u8(&c), SRV_IMAP);
	assert_int_equal(cursor_u8(&c), SRV_SECURE);
	assert_true(str_eq(cursor_take(&c, SRV_TOKEN_SIZE), STR("TTTTTTTTTTTTTTTT")));
	assert_true(str_eq(cursor_str(&c, 100), STR("a1")));
	assert_true(str_eq(cursor_str(&c, 100), STR("")));
	assert_true(str_eq(cursor_str(&c, 100), STR("unix")));
	assert_true(str_eq(cursor_str(&c, 100), STR("b NOOP\r\n")));
	assert_true(cursor_done(&c) && !c.failed);
	assert_int_equal(gate_connections(gate), 0);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	assert_int_equal(write(fd, "from mail", 9), 9);
	close(fd);
	assert_string_equal(client_reads(), "from mail");
}

static void a_login_in_flight_is_unavailable_when_auth_goes(void **state)
{
	(void)state;
	client_reads();
	client_says("a1 LOGIN me pw\r\n");
	close(auth_end_fd);
	auth_end_fd = -1;
	assert_memory_equal(client_reads(), "a1 NO [UNAVAILABLE]", 19);
	client_says("a2 LOGIN me pw\r\n");
	assert_memory_equal(client_reads(), "a2 NO [UNAVAILABLE]", 19);
	auth_end_fd = connect_peer(gate_child(gate), SRV_AUTH);
	client_says("a3 LOGIN me pw\r\n");
	answer(read_request(SRV_AUTH_START), PRELOGIN_AUTH_REFUSED, SRV_TOKEN_SIZE);
	assert_memory_equal(client_reads(), "a3 NO", 5);
}

static void a_malformed_answer_of_auth_is_no_login(void **state)
{
	(void)state;
	client_reads();
	client_says("a1 LOGIN me pw\r\n");
	answer(read_request(SRV_AUTH_START), PRELOGIN_AUTH_OK, SRV_TOKEN_SIZE - 1);
	assert_false(srv_child_connected(gate_child(gate), SRV_AUTH));
	assert_memory_equal(client_reads(), "a1 NO [UNAVAILABLE]", 19);
	close(auth_end_fd);
	auth_end_fd = connect_peer(gate_child(gate), SRV_AUTH);
	client_says("a2 LOGIN me pw\r\n");
	answer(read_request(SRV_AUTH_START), 200, SRV_TOKEN_SIZE);
	assert_memory_equal(client_reads(), "a2 NO [UNAVAILABLE]", 19);
}

static void an_answer_for_nobody_changes_nothing(void **state)
{
	(void)state;
	client_reads();
	answer(12345, PRELOGIN_AUTH_OK, SRV_TOKEN_SIZE);
	assert_true(srv_child_connected(gate_child(gate), SRV_AUTH));
	client_says("a NOOP\r\n");
	assert_memory_equal(client_reads(), "a OK", 4);
}

static void mail_that_is_gone_makes_a_login_unavailable(void **state)
{
	(void)state;
	client_reads();
	client_says("a1 LOGIN me pw\r\n");
	close(mail_end_fd);
	mail_end_fd = -1;
	turns();
	answer(read_request(SRV_AUTH_START), PRELOGIN_AUTH_OK, SRV_TOKEN_SIZE);
	assert_memory_equal(client_reads(), "a1 NO [UNAVAILABLE]", 19);
}

static void the_gate_survives_a_shower_of_frames(void **state)
{
	(void)state;
	ipc_close(&gate_child(gate)->peer[SRV_AUTH].ipc);
	ipc_close(&gate_child(gate)->peer[SRV_MAIL].ipc);
	shower(gate_child(gate), 300);
	client_says("a NOOP\r\n");
	assert_non_null(strstr(client_reads(), "a OK"));
}

/* ---- mail ---- */

static struct mail_role mail;
static int started, gate_fd, auth_fd;
static char started_account[64];

static int note_start(struct mail_role *r, struct handoff *h, const struct grant *grant)
{
	(void)r;
	(void)h;
	started++;
	started_account[0] = '\0';
	if (grant)
		strncat(started_account, grant->account, sizeof(started_account) - 1);
	return 0;
}

static int mail_setup(void **state)
{
	(void)state;
	l = loop_new();
	mail_role_init(&mail, l);
	mail.start = note_start;
	started = 0;
	gate_fd = connect_peer(&mail.child, SRV_GATE);
	auth_fd = connect_peer(&mail.child, SRV_AUTH);
	return 0;
}

static int mail_teardown(void **state)
{
	(void)state;
	mail_role_free(&mail);
	loop_free(&l);
	close(gate_fd);
	close(auth_fd);
	return 0;
}

static void grant(char token)
{
	struct buf frame = {0};

	for (int i = 0; i < SRV_TOKEN_SIZE; i++)
		buf_addc(&frame, token);
	buf_put8(&frame, SRV_IMAP);
	buf_putstr(&frame, STR("alice"));
	buf_putstr(&frame, STR("PLAIN"));
	send_frame(auth_fd, SRV_GRANT, buf_str(&frame), -1);
	buf_free(&frame);
	turns();
}

/* Returns the client's end. */
static int hand_off(enum srv_service service, char token)
{
	struct buf frame = {0};
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	buf_put8(&frame, (uint8_t)service);
	buf_put8(&frame, SRV_SECURE);
	for (int i = 0; i < SRV_TOKEN_SIZE; i++)
		buf_addc(&frame, token);
	buf_putstr(&frame, STR("tag"));
	buf_putstr(&frame, STR(""));
	buf_putstr(&frame, STR("192.0.2.1"));
	buf_putstr(&frame, STR(""));
	send_frame(gate_fd, SRV_HANDOFF, buf_str(&frame), fd[1]);
	close(fd[1]);
	buf_free(&frame);
	turns();
	return fd[0];
}

static void a_grant_lets_one_client_in_and_only_once(void **state)
{
	int a, b;

	(void)state;
	grant('A');
	a = hand_off(SRV_IMAP, 'A');
	assert_int_equal(started, 1);
	assert_string_equal(started_account, "alice");
	b = hand_off(SRV_IMAP, 'A');
	assert_int_equal(started, 1);
	close(a);
	close(b);
}

static void a_hand_off_ahead_of_its_grant_waits_for_it(void **state)
{
	int a = hand_off(SRV_IMAP, 'B');

	(void)state;
	assert_int_equal(started, 0);
	grant('C');
	assert_int_equal(started, 0);
	grant('B');
	assert_int_equal(started, 1);
	close(a);
}

static void a_hand_off_without_a_grant_is_turned_away_in_time(void **state)
{
	int a = hand_off(SRV_IMAP, 'D');
	char text[200] = "";
	uint64_t until = loop_now(l) + PARKED_MS + 2000;

	(void)state;
	while (mail.grants.n_parked && loop_now(l) < until)
		loop_turn(l, 100);
	assert_true(read(a, text, sizeof(text) - 1) > 0);
	assert_memory_equal(text, "tag NO [UNAVAILABLE]", 20);
	assert_int_equal(read(a, text, sizeof(text)), 0);
	assert_int_equal(started, 0);
	close(a);
}

/* Who may only deliver cannot read, whatever the gate says. */
static void a_grant_is_for_its_service_alone(void **state)
{
	int a, b;

	(void)state;
	grant('L');
	a = hand_off(SRV_LMTP, 'L');
	b = hand_off(SRV_LMTP, 'M');
	grant('M');
	assert_int_equal(started, 0);
	close(a);
	close(b);
}

static void lmtp_needs_no_grant(void **state)
{
	int a = hand_off(SRV_LMTP, 0);

	(void)state;
	assert_int_equal(started, 1);
	assert_string_equal(started_account, "");
	close(a);
}

static void a_gate_cannot_grant_and_auth_cannot_hand_off(void **state)
{
	int swap = gate_fd, a;

	(void)state;
	gate_fd = auth_fd;
	auth_fd = swap;
	grant('E');
	assert_false(srv_child_connected(&mail.child, SRV_GATE));
	a = hand_off(SRV_IMAP, 'E');
	assert_false(srv_child_connected(&mail.child, SRV_AUTH));
	assert_int_equal(started, 0);
	close(a);
}

static void a_descriptor_that_is_no_stream_socket_is_refused(void **state)
{
	struct buf frame = {0};
	int null = open("/dev/null", O_RDONLY);
	unsigned before = open_descriptors();

	(void)state;
	buf_put8(&frame, SRV_LMTP);
	buf_put8(&frame, 0);
	for (int i = 0; i < SRV_TOKEN_SIZE + 16; i++)
		buf_put8(&frame, 0);
	send_frame(gate_fd, SRV_HANDOFF, buf_str(&frame), null);
	turns();
	assert_int_equal(started, 0);
	assert_false(srv_child_connected(&mail.child, SRV_GATE));
	assert_int_equal(open_descriptors(), before - 1); /* the channel alone */
	close(null);
	buf_free(&frame);
}

static void mail_survives_a_shower_of_frames(void **state)
{
	(void)state;
	ipc_close(&mail.child.peer[SRV_AUTH].ipc);
	ipc_close(&mail.child.peer[SRV_GATE].ipc);
	shower(&mail.child, 300);
	assert_int_equal(started, 0);
}

/* ---- auth ---- */

static struct auth *auth;
static struct auth_role *auth_role;
static int auth_gate, auth_mail, auth_dir;
static char auth_path[] = "/tmp/satchel-auth-XXXXXX";

static int auth_setup(void **state)
{
	struct auth_options options = {.hostname = "mail.example.org"};
	struct buf error = {0};
	struct user_edit e;

	(void)state;
	memcpy(auth_path + sizeof(auth_path) - 7, "XXXXXX", 6);
	if (!mkdtemp(auth_path))
		return -1;
	l = loop_new();
	auth_dir = open(auth_path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(user_edit_begin(&e, auth_dir, true, &error), 0);
	assert_int_equal(user_edit_save(&e, &error), 0);
	user_edit_end(&e);
	options.dirfd = auth_dir;
	auth = auth_new(l, &options, &error);
	if (!auth)
		return -1;
	auth_role = auth_role_new(l, auth);
	auth_gate = connect_peer(auth_role_child(auth_role), SRV_GATE);
	auth_mail = connect_peer(auth_role_child(auth_role), SRV_MAIL);
	return 0;
}

static int auth_teardown(void **state)
{
	(void)state;
	auth_role_free(&auth_role);
	auth_free(&auth);
	loop_free(&l);
	close(auth_gate);
	close(auth_mail);
	unlinkat(auth_dir, "users.cdb", 0);
	unlinkat(auth_dir, "accounts.cdb", 0);
	unlinkat(auth_dir, "users.lock", 0);
	close(auth_dir);
	rmdir(auth_path);
	return 0;
}

static void start_login(uint64_t id)
{
	struct buf frame = {0};

	buf_put64(&frame, id);
	buf_put8(&frame, SRV_IMAP);
	buf_put8(&frame, SRV_SECURE);
	buf_putstr(&frame, STR("127.0.0.1"));
	for (int i = 0; i < 4; i++)
		buf_putstr(&frame, STR(""));
	buf_put8(&frame, 0);
	buf_putstr(&frame, STR("nobody"));
	buf_putstr(&frame, STR("pw"));
	send_frame(auth_gate, SRV_AUTH_START, buf_str(&frame), -1);
	buf_free(&frame);
}

/* Status that auth answered, or -1 if nothing came. */
static int read_answer(uint64_t *id_r)
{
	char bytes[1024];
	struct cursor c;
	ssize_t n = -1;

	for (int i = 0; i < 300 && n < 0; i++) {
		loop_turn(l, 10);
		n = read(auth_gate, bytes, sizeof(bytes));
	}
	if (n < 8)
		return -1;
	c = cursor_from((struct str){bytes, (size_t)n});
	assert_int_equal(cursor_u16(&c), SRV_AUTH_REPLY);
	cursor_skip(&c, 6);
	*id_r = cursor_u64(&c);
	return cursor_u8(&c);
}

static void an_unknown_name_is_refused_and_mail_hears_nothing(void **state)
{
	uint64_t id = 0;
	char byte;

	(void)state;
	start_login(7);
	assert_int_equal(read_answer(&id), PRELOGIN_AUTH_FAILED);
	assert_int_equal(id, 7);
	assert_int_equal(read(auth_mail, &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
}

static void two_logins_of_one_connection_at_once_break_the_rules(void **state)
{
	(void)state;
	start_login(7);
	start_login(7);
	turns();
	assert_false(srv_child_connected(auth_role_child(auth_role), SRV_GATE));
}

static void a_client_that_left_gets_no_answer(void **state)
{
	uint64_t id = 0;

	(void)state;
	start_login(7);
	send_frame(auth_gate, SRV_AUTH_ABORT, STR("\7\0\0\0\0\0\0\0"), -1);
	start_login(8);
	assert_int_equal(read_answer(&id), PRELOGIN_AUTH_FAILED);
	assert_int_equal(id, 8);
}

static void a_gate_that_dies_with_logins_in_flight_leaves_nothing(void **state)
{
	uint64_t id = 0;

	(void)state;
	for (uint64_t i = 0; i < 20; i++)
		start_login(i);
	turns();
	close(auth_gate);
	turns();
	auth_gate = connect_peer(auth_role_child(auth_role), SRV_GATE);
	start_login(3);
	assert_int_equal(read_answer(&id), PRELOGIN_AUTH_FAILED);
	assert_int_equal(id, 3);
}

static void auth_survives_a_shower_of_frames(void **state)
{
	(void)state;
	ipc_close(&auth_role_child(auth_role)->peer[SRV_MAIL].ipc);
	ipc_close(&auth_role_child(auth_role)->peer[SRV_GATE].ipc);
	shower(auth_role_child(auth_role), 300);
}

#define GATE(f) cmocka_unit_test_setup_teardown(f, gate_setup, gate_teardown)
#define MAIL(f) cmocka_unit_test_setup_teardown(f, mail_setup, mail_teardown)
#define AUTH(f) cmocka_unit_test_setup_teardown(f, auth_setup, auth_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATE(a_login_is_handed_to_mail_with_token_tag_and_unread_bytes),
		GATE(a_login_in_flight_is_unavailable_when_auth_goes),
		GATE(a_malformed_answer_of_auth_is_no_login),
		GATE(an_answer_for_nobody_changes_nothing),
		GATE(mail_that_is_gone_makes_a_login_unavailable),
		GATE(the_gate_survives_a_shower_of_frames),
		MAIL(a_grant_lets_one_client_in_and_only_once),
		MAIL(a_hand_off_ahead_of_its_grant_waits_for_it),
		MAIL(a_hand_off_without_a_grant_is_turned_away_in_time),
		MAIL(a_grant_is_for_its_service_alone),
		MAIL(lmtp_needs_no_grant),
		MAIL(a_gate_cannot_grant_and_auth_cannot_hand_off),
		MAIL(a_descriptor_that_is_no_stream_socket_is_refused),
		MAIL(mail_survives_a_shower_of_frames),
		AUTH(an_unknown_name_is_refused_and_mail_hears_nothing),
		AUTH(two_logins_of_one_connection_at_once_break_the_rules),
		AUTH(a_client_that_left_gets_no_answer),
		AUTH(a_gate_that_dies_with_logins_in_flight_leaves_nothing),
		AUTH(auth_survives_a_shower_of_frames),
	};
	struct buf errors = {0};

	log_init("test", LOG_LEVEL_ERROR, false);
	if (srv_settings_load("/dev/null", NULL, &errors))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
