/* SPDX-License-Identifier: 0BSD */
/* Frames between roles, of every type, from every role to every role: the first byte says who
 * receives; then sender, type, whether a descriptor comes along, length, payload, again and again. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "core/server/auth_role.h"
#include "core/server/gate.h"
#include "core/server/mail.h"

#define CLIENTS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct loop *l;

static int note_start(struct mail_role *r, struct handoff *h, const struct grant *grant)
{
	(void)r;
	/* Nobody is let in to IMAP without a grant, whatever the frames were. */
	if (h->service == SRV_IMAP && !grant)
		abort();
	return 0;
}

/* A stream socket, as a client's would be. */
static int some_descriptor(void)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		abort();
	close(fd[1]);
	return fd[0];
}

static void feed(struct srv_child *child, struct cursor c)
{
	while (!cursor_done(&c)) {
		enum srv_role from = cursor_u8(&c) % SRV_ROLES;
		uint8_t type = cursor_u8(&c), has_descriptor = cursor_u8(&c);
		uint16_t size = cursor_u16(&c);
		struct str payload = cursor_take(&c, size < cursor_left(&c) ? size : cursor_left(&c));
		int fd = has_descriptor & 1 ? some_descriptor() : -1;

		/* Frames of the master that end the process are no play for it. */
		if (from == child->role || from == SRV_MASTER) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		if (child->ops->message(child, from, type, cursor_from(payload), fd))
			child->ops->peer_down(child, from);
	}
}

static void try_gate(struct cursor c)
{
	static const struct srv_listeners none;
	struct gate *gate = gate_new(l, &none);
	int client[CLIENTS], fd[2];

	if (!gate)
		abort();
	/* Ids begin with 1 and the number of the slot: answers can meet them. */
	for (int i = 0; i < CLIENTS; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd))
			abort();
		client[i] = fd[0];
		gate_take(gate, SRV_IMAP, false, "test", fd[1]);
		if (write(fd[0], "a LOGIN me pw\r\n", 15) != 15)
			abort();
	}
	loop_turn(l, 0);
	feed(gate_child(gate), c);
	loop_turn(l, 0);
	gate_free(&gate);
	for (int i = 0; i < CLIENTS; i++)
		close(client[i]);
}

static void try_mail(struct cursor c)
{
	struct mail_role mail;

	mail_role_init(&mail, l);
	mail.start = note_start;
	feed(&mail.child, c);
	loop_turn(l, 0);
	mail_role_free(&mail);
}

static void try_auth(struct cursor c)
{
	static struct auth *auth;
	static int nowhere;
	struct auth_options options = {.hostname = "fuzz"};
	struct auth_role *role;
	struct buf error = {0};

	if (!auth) { /* an empty folder: nobody has an account */
		char path[] = "/tmp/fuzz_roles.XXXXXX";

		nowhere = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY) : -1;
		options.dirfd = nowhere;
		auth = auth_new(l, &options, &error);
		if (nowhere < 0 || rmdir(path) || !auth)
			abort();
	}
	role = auth_role_new(l, auth);
	if (!role)
		abort();
	feed(auth_role_child(role), c);
	loop_turn(l, 0);
	auth_role_free(&role);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	size_t n;
	const struct setting *const *table = srv_settings_all(&n);

	(void)argc;
	(void)argv;
	if (settings_defaults(table, n))
		return 1;
	srv_settings.login_failure_delay = 0;
	l = loop_new();
	log_init("fuzz", 0, false);
	return l ? 0 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_from((struct str){(const char *)data, size});

	switch (cursor_u8(&c) % 3) {
	case 0:
		try_gate(c);
		break;
	case 1:
		try_auth(c);
		break;
	default:
		try_mail(c);
	}
	return 0;
}
