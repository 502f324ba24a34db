/* SPDX-License-Identifier: 0BSD */
/* sd_notify(3) without libsystemd. */
#include "core/server/server.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/log.h"

#define BEAT_MS     5000       /* of a start or an end that takes long */
#define PATIENCE_US "30000000" /* how long it shall wait from then on */
#define WATCHDOG_MAX_US ((uint64_t)86400 * 1000000)

static struct {
	struct loop *loop;
	struct loop_timer beat, alive;
	uint64_t alive_ms; /* 0: nobody watches */
} notify;

static void say(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	ssize_t ignored;
	int fd;

	if (n == 0 || n >= sizeof(a.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(a.sun_path, path, n);
	if (path[0] == '@') /* a name without a file */
		a.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	ignored = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	(void)ignored; /* a supervisor that does not listen is no reason to stop */
	close(fd);
}

/* Recovery after a crash and the last checkpoint may take longer than a unit's timeout. */
static void beat(struct loop_timer *t)
{
	say("EXTEND_TIMEOUT_USEC=" PATIENCE_US);
	loop_timer_start(notify.loop, t, BEAT_MS);
}

static void alive(struct loop_timer *t)
{
	say("WATCHDOG=1");
	loop_timer_start(notify.loop, t, notify.alive_ms);
}

/* sd_watchdog_enabled(3): half of the time that the supervisor allows; 0: it does not watch. */
static uint64_t watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t n;

	if (!usec || str_u64(str_from(usec), WATCHDOG_MAX_US, &n) || n < 2000)
		return 0;
	if (pid && !str_eq(str_from(pid), str_from(log_num(getpid()))))
		return 0;
	return n / 2000;
}

void srv_notify_starting(struct loop *l)
{
	notify.loop = l;
	notify.beat.fire = beat;
	notify.alive.fire = alive;
	notify.alive_ms = watchdog_ms();
	say("STATUS=starting: the store is opened");
	loop_timer_start(l, &notify.beat, BEAT_MS);
	if (notify.alive_ms)
		alive(&notify.alive);
}

void srv_notify_ready(void)
{
	loop_timer_stop(&notify.beat);
	say("READY=1\nSTATUS=serving");
}

void srv_notify_reloading(void)
{
	struct buf state = {0};
	struct timespec now;

	/* The time ties the READY=1 that follows to this one (Type=notify-reload). */
	clock_gettime(CLOCK_MONOTONIC, &now);
	buf_adds(&state, "RELOADING=1\nSTATUS=reading settings\nMONOTONIC_USEC=");
	buf_addu(&state, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	buf_addc(&state, '\0');
	if (!state.failed)
		say(buf_str(&state).p);
	buf_free(&state);
}

void srv_notify_stopping(void)
{
	say("STOPPING=1\nSTATUS=stopping: sessions end, then a last checkpoint");
	loop_timer_start(notify.loop, &notify.beat, BEAT_MS);
}

void srv_notify_end(void)
{
	loop_timer_stop(&notify.beat);
	loop_timer_stop(&notify.alive);
}
