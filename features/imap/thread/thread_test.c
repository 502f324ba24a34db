/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/mime_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "features/imap/thread/thread.h"

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- forest.c against walks along the parents ---- */

static bool is_below(const struct threads *t, uint32_t node, uint32_t over)
{
	for (; node != THREAD_NONE; node = t->node.v[node].parent) {
		if (node == over)
			return true;
	}
	return false;
}

static void links_come_and_go_and_never_make_a_loop(void **state)
{
	enum { NODES = 60, STEPS = 60000 };
	struct threads t = {0};
	unsigned made = 0, refused = 0;

	(void)state;
	srand(1);
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(thread_new_node(&t, THREAD_NONE), i);
	for (unsigned i = 0; i < STEPS; i++) {
		uint32_t child = (uint32_t)rand() % NODES, parent = (uint32_t)rand() % NODES;
		bool may = !is_below(&t, parent, child);

		if (t.node.v[child].parent != THREAD_NONE) {
			if (rand() % 3 == 0)
				thread_forest_cut(&t, child);
			continue;
		}
		assert_int_equal(thread_forest_link(&t, parent, child), may);
		assert_int_equal(t.node.v[child].parent, may ? parent : THREAD_NONE);
		made += may;
		refused += !may;
	}
	assert_in_range(made, 1000, STEPS);
	assert_in_range(refused, 500, STEPS);
	thread_free(&t);
}

/* ---- REFERENCES ---- */

static void add(struct threads *t, const char *id, struct str references)
{
	struct thread_message m = {.number = (uint32_t)t->message.n + 1, .node = THREAD_NONE,
		.date = (int64_t)t->message.n};

	assert_int_equal(thread_references_add(t, &m, str_from(id), references, STR_NULL), 0);
}

static void add_link(struct threads *t, unsigned n, unsigned parent)
{
	char id[32], references[32];

	snprintf(id, sizeof(id), "<%u@x>", n);
	snprintf(references, sizeof(references), "<%u@x>", parent);
	add(t, id, str_from(references));
}

static char *answer(struct threads *t)
{
	struct thread_tell where = {0};
	struct buf out = {0};
	int rc;

	while (!thread_sort(t, 1000))
		;
	while (!(rc = thread_references_finish(t, 1000)))
		;
	assert_int_equal(rc, 1);
	while (!thread_tell_next(t, &where, &out))
		;
	buf_addc(&out, 0);
	assert_false(out.failed);
	return out.data;
}

/* 100,000 that answer each other, told in order, backwards, and shuffled. */
static void a_chain_of_any_depth_is_one_thread(void **state)
{
	enum { DEPTH = 100000 };

	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		struct threads t = {.text.max = THREAD_TEXT_MAX};
		unsigned opened = 0, numbers = 0;
		char *text;

		for (unsigned i = 0; i < DEPTH; i++) {
			/* 7919 has no factor in common with DEPTH. */
			unsigned n = way == 0 ? i : way == 1 ? DEPTH - 1 - i : (unsigned)(i * UINT64_C(7919) % DEPTH);

			add_link(&t, n + 1, n);
		}
		text = answer(&t);
		for (const char *p = text; *p; p++) {
			opened += *p == '(';
			numbers += *p == ' ';
		}
		assert_int_equal(opened, 1);
		assert_int_equal(numbers, DEPTH - 1);
		free(text);
		thread_free(&t);
	}
}

/* Each pair asks whether the root of a deep thread may go below its leaf; a walk for each takes minutes. */
static void a_loop_below_a_deep_thread_costs_little(void **state)
{
	enum { DEPTH = 50000, MAILS = 300 };
	struct threads t = {.text.max = THREAD_TEXT_MAX};
	struct buf pairs = {0};
	char pair[64], id[32];
	double start;

	(void)state;
	for (unsigned i = 1; i <= DEPTH; i++)
		add_link(&t, i, i - 1);
	snprintf(pair, sizeof(pair), "<%u@x><0@x>", DEPTH);
	for (unsigned i = 0; i < THREAD_IDS_MAX; i++)
		buf_adds(&pairs, pair);
	start = cpu();
	for (unsigned i = 0; i < MAILS; i++) {
		snprintf(id, sizeof(id), "<last%u@x>", i);
		add(&t, id, buf_str(&pairs));
	}
	assert_true(cpu() - start < 10);
	buf_free(&pairs);
	thread_free(&t);
}

static void the_last_references_count(void **state)
{
	struct threads t = {.text.max = THREAD_TEXT_MAX};
	struct buf many = {0};
	char *text;

	(void)state;
	for (unsigned i = 0; i < 5 * THREAD_IDS_MAX; i++) {
		buf_adds(&many, "<lost");
		buf_addu(&many, i);
		buf_adds(&many, "@x> ");
	}
	buf_adds(&many, "<1@x>");
	add(&t, "<1@x>", STR_NULL);
	add(&t, "<2@x>", buf_str(&many));
	assert_in_range(t.node.n, 3, THREAD_IDS_MAX + 2);
	text = answer(&t);
	assert_string_equal(text, "(1 2)");
	free(text);
	buf_free(&many);
	thread_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_come_and_go_and_never_make_a_loop),
		cmocka_unit_test(a_chain_of_any_depth_is_one_thread),
		cmocka_unit_test(a_loop_below_a_deep_thread_costs_little),
		cmocka_unit_test(the_last_references_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
