/* SPDX-License-Identifier: 0BSD */
#include "core/lib/merge.h"

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Merges the two runs at `from` into `other`, or goes on with that.  False: the budget is used up. */
static bool merge_runs(struct merge *m, uint32_t *budget)
{
	uint32_t middle = least(m->n, m->from + m->width);
	uint32_t end = m->n - middle > m->width ? middle + m->width : m->n;

	if (!m->inside) {
		m->left = m->from;
		m->right = middle;
		m->inside = true;
	}
	while (m->left < middle || m->right < end) {
		uint32_t to = m->from + (m->left - m->from) + (m->right - middle);
		bool first = m->right == end ||
			(m->left < middle && m->compare(m->arg, m->v[m->left], m->v[m->right]) <= 0);

		if (!*budget)
			return false;
		--*budget;
		m->other[to] = first ? m->v[m->left++] : m->v[m->right++];
	}
	m->inside = false;
	m->from = end;
	return true;
}

bool merge_step(struct merge *m, uint32_t budget)
{
	uint32_t *done;

	if (!m->width)
		m->width = 1;
	while (m->width < m->n) {
		while (m->from < m->n) {
			if (!merge_runs(m, &budget))
				return false;
		}
		done = m->other;
		m->other = m->v;
		m->v = done;
		m->from = 0;
		m->width = m->width > m->n / 2 ? m->n : m->width * 2;
	}
	return true;
}
