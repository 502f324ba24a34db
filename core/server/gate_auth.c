/* SPDX-License-Identifier: 0BSD */
/*
 * Between a connection and auth: what is asked, when, and what comes of the answer.  A few checks of one
 * address are under way at a time, so that one who tries passwords cannot fill auth's queue; his next ones
 * wait here, in their connections.
 */
#include "core/server/gate_conn.h"

#include <stddef.h>
#include <string.h>

#include "core/lib/log.h"

/* Enough to keep all of auth's threads busy. */
#define CHECKS_PER_ADDRESS (4 * CONFIG_AUTH_WORKERS)
#define DOUBLINGS_MAX 3
/* So many failures of an address count as one of the connection. */
#define FAILURES_PER_DOUBLING 10

void gate_auth_abort(struct gate_conn *c)
{
	struct gate *g = c->gate;
	struct buf frame = {0};

	/* Who does not wait for the answer has cost what a wrong password costs. */
	if (c->state == WAITING)
		failures_add(g->failures, c->address, loop_now(g->child.loop));
	buf_put64(&frame, c->id);
	srv_child_send(&g->child, SRV_AUTH, SRV_AUTH_ABORT, &frame, -1);
	buf_free(&frame);
	c->exchange = false;
}

/* 0, or -1: auth is not there. */
static int ask(struct gate_conn *c)
{
	struct gate *g = c->gate;
	struct buf frame = {0};
	int rc;

	if (c->p.auth_abort && c->exchange)
		gate_auth_abort(c);
	c->p.auth_abort = false;
	buf_put64(&frame, c->id);
	if (c->p.auth_first) {
		buf_put8(&frame, (uint8_t)c->service);
		buf_put8(&frame, gate_flags(c));
		buf_putstr(&frame, str_from(c->peer));
		buf_putstr(&frame, buf_str(&c->info.version));
		buf_putstr(&frame, buf_str(&c->info.certificate));
		buf_putstr(&frame, buf_str(&c->info.exporter));
		buf_putstr(&frame, buf_str(&c->info.endpoint));
	}
	buf_addstr(&frame, buf_str(&c->p.auth));
	c->state = WAITING;
	rc = srv_child_send(&g->child, SRV_AUTH,
		c->p.auth_first ? SRV_AUTH_START : SRV_AUTH_STEP, &frame, -1);
	buf_wipe(&frame);
	buf_wipe(&c->p.auth);
	c->exchange = rc == 0;
	return rc;
}

/* ---- the queue of an address ---- */

static unsigned under_way(const struct gate *g, uint64_t address)
{
	unsigned n = 0;

	for (const struct gate_conn *c = gate_bucket(g, address); c; c = c->next_same)
		n += c->address == address && c->state == WAITING;
	return n;
}

/* Buckets are newest first. */
static struct gate_conn *first_queued(const struct gate *g, uint64_t address)
{
	struct gate_conn *first = NULL;

	for (struct gate_conn *c = gate_bucket(g, address); c; c = c->next_same) {
		if (c->address == address && c->state == QUEUED)
			first = c;
	}
	return first;
}

void gate_auth_next(struct gate *g, uint64_t address)
{
	struct gate_conn *c;

	while (address && under_way(g, address) < CHECKS_PER_ADDRESS &&
		(c = first_queued(g, address)) != NULL) {
		if (ask(c)) { /* told by the loop: this may be called while another is freed */
			c->state = DELAYED;
			c->refusal = PRELOGIN_AUTH_UNAVAILABLE;
			loop_timer_start(g->child.loop, &c->delay, 0);
		}
		gate_watch(c);
	}
}

/* ---- failures ---- */

static bool is_blocked(const struct gate_conn *c)
{
	const struct gate *g = c->gate;
	uint64_t limit = srv_settings.login_failures_per_address;

	return limit && failures_count(g->failures, c->address, loop_now(g->child.loop)) >= limit;
}

static void late(struct gate_conn *c, enum prelogin_auth status, struct str data, uint64_t failures)
{
	uint64_t doublings = failures / FAILURES_PER_DOUBLING;

	if (doublings < c->failures)
		doublings = c->failures;
	if (doublings > DOUBLINGS_MAX)
		doublings = DOUBLINGS_MAX;
	c->failures++;
	c->state = DELAYED;
	c->refusal = status;
	buf_clear(&c->refusal_data);
	buf_addstr(&c->refusal_data, data);
	loop_timer_start(c->gate->child.loop, &c->delay,
		srv_settings.login_failure_delay * 1000 << doublings);
	gate_watch(c);
}

static void refuse(struct gate_conn *c, enum prelogin_auth status, struct str data)
{
	const struct gate *g = c->gate;

	if (srv_settings.login_failure_delay)
		late(c, status, data, failures_count(g->failures, c->address, loop_now(g->child.loop)));
	else
		gate_answer(c, status, data);
}

void gate_auth_delay_over(struct loop_timer *t)
{
	struct gate_conn *c = (struct gate_conn *)((char *)t - offsetof(struct gate_conn, delay));
	struct buf data = c->refusal_data;

	c->refusal_data = (struct buf){0};
	gate_answer(c, c->refusal, buf_str(&data));
	buf_free(&data);
}

/* ---- for the others ---- */

void gate_auth_ask(struct gate_conn *c)
{
	if (c->p.auth_first && is_blocked(c)) {
		buf_wipe(&c->p.auth);
		gate_log_refusal(c, "login refused", "too many failed logins");
		refuse(c, PRELOGIN_AUTH_UNAVAILABLE,
			STR("Too many failed logins from your address, try again later"));
	} else if (c->address && under_way(c->gate, c->address) >= CHECKS_PER_ADDRESS) {
		c->state = QUEUED;
		gate_watch(c);
	} else if (ask(c) == 0) {
		gate_watch(c);
	} else {
		gate_answer(c, PRELOGIN_AUTH_UNAVAILABLE, STR(""));
	}
}

static void take_answer(struct gate_conn *c, enum prelogin_auth status, struct str data)
{
	struct gate *g = c->gate;

	if (status == PRELOGIN_AUTH_OK && !srv_child_connected(&g->child, SRV_MAIL))
		status = PRELOGIN_AUTH_UNAVAILABLE;
	if (status != PRELOGIN_AUTH_FAILED) {
		gate_answer(c, status, data);
		return;
	}
	failures_add(g->failures, c->address, loop_now(g->child.loop));
	refuse(c, status, data);
}

int gate_auth_reply(struct gate *g, struct cursor payload)
{
	struct gate_conn *c = gate_find(g, cursor_u64(&payload));
	uint8_t status = cursor_u8(&payload);
	struct str data = cursor_str(&payload, CONFIG_PRELOGIN_LINE_MAX);
	struct str token = cursor_take(&payload, SRV_TOKEN_SIZE);
	uint64_t address;

	if (payload.failed || !cursor_done(&payload) || status > PRELOGIN_AUTH_LAST)
		return -1;
	if (c && status != PRELOGIN_AUTH_CONTINUE)
		c->exchange = false;
	if (!c || c->state != WAITING) /* the client left meanwhile, or is being shown out */
		return 0;
	address = c->address;
	if (status == PRELOGIN_AUTH_OK)
		memcpy(c->token, token.p, sizeof(c->token));
	take_answer(c, (enum prelogin_auth)status, data);
	gate_auth_next(g, address);
	return 0;
}

void gate_auth_lost(struct gate *g)
{
	for (size_t i = 0; i < g->slots.n; i++) {
		struct gate_conn *c = g->slots.v[i].conn;

		if (c)
			c->exchange = false;
		if (!c || (c->state != WAITING && c->state != QUEUED))
			continue;
		buf_wipe(&c->p.auth);
		gate_answer(c, PRELOGIN_AUTH_UNAVAILABLE, STR(""));
	}
}
