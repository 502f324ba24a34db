/* SPDX-License-Identifier: 0BSD */
/*
 * SASL exchanges: a client that knows no password says what it likes, step after step, to every
 * mechanism that is compiled in, through libsasl2 and our users.  The first byte says on what kind of
 * connection, the second which mechanism; then each line is a message (base64 is the gate's business).
 * Nobody may get in but by a certificate, or as nobody in particular.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/auth/auth.h"
#include "core/auth/user_edit.h"
#include "core/auth/user_file.h"
#include "core/auth/user_value.h"
#include "core/hooks.h"
#include "core/lib/file.h"
#include "core/lib/log.h"

#define STEPS_MAX 12
#define TURN_MS   1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { SECURE = 1, LMTP = 2, BOUND = 4, CERTIFIED = 8, PLUS = 16, LOGIN = 32, NO_INITIAL = 64 };

static struct loop *l;
static struct auth *auth;
static bool answered;
static struct auth_answer last;
static char mechanism[32];

static void need(bool holds)
{
	if (!holds)
		abort();
}

/* The password is random, so that no input can hold it. */
static void put_users(int dirfd)
{
	static const char *const names[] = {"alice", "root", "anonymous"};
	struct buf error = {0}, value = {0};
	struct user_edit e;
	char password[24];

	file_random(password, sizeof(password));
	for (size_t i = 0; i < sizeof(password); i++)
		password[i] |= 1; /* no NUL */
	need(!user_edit_begin(&e, dirfd, true, &error));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		buf_clear(&value);
		need(!user_value_make((struct str){password, sizeof(password)}, CONFIG_SCRAM_ITERATIONS, &value));
		if (names[i][0] == 'r')
			buf_adds(&value, "\nFLAGS$admin");
		need(!user_edit_replace(&e, str_from(names[i]), buf_str(&value)));
	}
	need(!user_edit_save(&e, &error));
	user_edit_end(&e);
	buf_free(&value);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct auth_options options = {.hostname = "mail.example", .cache_seconds = 600};
	char path[] = "/tmp/fuzz_sasl.XXXXXX";
	static int dirfd;
	struct buf error = {0};

	(void)argc;
	(void)argv;
	log_init("fuzz", 0, false);
	need(mkdtemp(path));
	dirfd = open(path, O_RDONLY | O_DIRECTORY);
	put_users(dirfd);
	l = loop_new();
	options.dirfd = dirfd;
	auth = l ? auth_new(l, &options, &error) : NULL;
	need(auth);
	/* It stays open there. */
	unlinkat(dirfd, "users.lock", 0);
	return 0;
}

static void on_answer(struct auth_exchange *x, void *arg, const struct auth_answer *answer)
{
	(void)x;
	(void)arg;
	answered = true;
	last = *answer;
}

static void wait_answer(void)
{
	for (int i = 0; i < 100 && !answered; i++)
		loop_turn(l, TURN_MS);
	need(answered);
	answered = false;
}

static void name_mechanism(uint8_t number, bool with_plus)
{
	const struct sasl_mech *all[64];
	size_t n = 0;

	FEATURE_EACH (f) {
		for (const struct sasl_mech *m = f->sasl_mechs; m && m->name && n < 64; m++)
			all[n++] = m;
	}
	strcpy(mechanism, n ? all[number % n]->name : "NONE");
	if (with_plus)
		strcat(mechanism, "-PLUS");
}

/* An answer is whole, and lets nobody in who has proved nothing. */
static void judge(uint8_t kind)
{
	need(last.status <= PRELOGIN_AUTH_LAST && last.status != PRELOGIN_AUTH_UNAVAILABLE);
	if (last.status != PRELOGIN_AUTH_OK)
		return;
	need(last.account.len);
	need(!(kind & LOGIN));
	if (strcmp(last.mechanism, "ANONYMOUS") == 0)
		need(str_eq(last.account, STR("anonymous")));
	else
		need(strcmp(last.mechanism, "EXTERNAL") == 0 && kind & CERTIFIED);
}

static struct str next_message(struct cursor *c)
{
	struct str s = cursor_take_until(c, '\n');

	cursor_accept(c, '\n');
	return s.p ? s : STR("");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_from((struct str){(const char *)data, size});
	uint8_t kind = cursor_u8(&c), number = cursor_u8(&c);
	struct auth_client client = {.secure = kind & SECURE, .lmtp = kind & LMTP};
	struct auth_exchange *x;
	struct str first, second;

	if (c.failed || size > 8192)
		return 0;
	if (kind & BOUND)
		client.exporter = client.endpoint = STR("0123456789abcdef0123456789abcdef");
	if (kind & CERTIFIED)
		client.certificate = number & 1 ? STR("alice") : STR("root");
	name_mechanism(number, kind & PLUS);
	first = next_message(&c);
	if (kind & LOGIN) {
		second = next_message(&c);
		x = auth_login(auth, &client, first, second, on_answer, NULL);
	} else {
		x = auth_sasl(auth, &client, str_from(mechanism), kind & NO_INITIAL ? STR_NULL : first,
			on_answer, NULL);
	}
	need(x);
	/* Now and then it leaves before the answer. */
	if (number == UINT8_MAX) {
		auth_end(&x);
		loop_turn(l, 0);
		return 0;
	}
	wait_answer();
	judge(kind);
	for (int i = 0; i < STEPS_MAX && last.status == PRELOGIN_AUTH_CONTINUE; i++) {
		auth_step(x, next_message(&c));
		wait_answer();
		judge(kind);
	}
	need(last.status != PRELOGIN_AUTH_CONTINUE);
	auth_end(&x);
	return 0;
}
