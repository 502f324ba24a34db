/* SPDX-License-Identifier: 0BSD */
#include "core/session.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/hooks.h"
#include "core/lib/log.h"

int session_init(struct session *s, struct mail *m, const char *service, struct str peer, bool tls)
{
	size_t slots = feature_slots_size();
	size_t n = peer.len < sizeof(s->peer) ? peer.len : sizeof(s->peer) - 1;

	if (slots) {
		s->slots = calloc(1, slots);
		if (!s->slots)
			return -1;
	}
	s->id = ++m->next_session;
	s->mail = m;
	s->service = service;
	s->mechanism = "";
	s->state = "";
	s->tls = tls;
	s->since = (uint64_t)time(NULL);
	s->began = m->loop ? loop_now(m->loop) : 0;
	memcpy(s->peer, peer.p, n);
	s->peer[n] = '\0';
	s->next = m->sessions;
	if (s->next)
		s->next->prev = s;
	m->sessions = s;
	m->session_count++;
	return 0;
}

void session_finish(struct session *s)
{
	if (s->told) {
		FEATURE_EACH (f) {
			if (f->on_logout)
				f->on_logout(s);
		}
	}
	s->told = false;
	if (s->next)
		s->next->prev = s->prev;
	if (s->prev)
		s->prev->next = s->next;
	else
		s->mail->sessions = s->next;
	s->mail->session_count--;
	free(s->slots);
	free(s->user);
	free(s->mailbox);
	s->slots = NULL;
	s->user = s->mailbox = NULL;
}

void session_log_end(const struct session *s, uint64_t received, uint64_t sent)
{
	uint64_t seconds = (loop_now(s->mail->loop) - s->began) / 1000;

	log_info("session ended", "user", s->user ? s->user : "", "peer", s->peer, "service", s->service,
		"in", log_num((int64_t)received), "out", log_num((int64_t)sent), "seconds",
		log_num((int64_t)seconds), NULL);
}

/* A copy in *to, whose old value is freed; .p NULL clears. */
static int replace(char **to, struct str v)
{
	char *copy = NULL;

	if (v.p) {
		copy = malloc(v.len + 1);
		if (!copy)
			return -1;
		memcpy(copy, v.p, v.len);
		copy[v.len] = '\0';
	}
	free(*to);
	*to = copy;
	return 0;
}

int session_login(struct session *s, struct str user, const char *mechanism)
{
	if (replace(&s->user, user))
		return -1;
	s->mechanism = mechanism;
	s->told = true;
	FEATURE_EACH (f) {
		if (f->on_login)
			f->on_login(s);
	}
	return 0;
}

int session_select(struct session *s, struct str mailbox)
{
	if (replace(&s->mailbox, mailbox))
		return -1;
	FEATURE_EACH (f) {
		if (f->on_select && s->told)
			f->on_select(s);
	}
	return 0;
}

void session_state(struct session *s, const char *state)
{
	if (s->state == state)
		return;
	s->state = state;
	FEATURE_EACH (f) {
		if (f->on_state && s->told)
			f->on_state(s);
	}
}
