/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include "core/session.h"

/* A compiled-in feature without its struct stops the link with its name. */
#define FEATURE(name) extern const struct feature name##_feature;
#include "generated/features.h"
#undef FEATURE

const struct feature *const features[] = {
#define FEATURE(name) &name##_feature,
#include "generated/features.h"
#undef FEATURE
	NULL,
};

const size_t feature_count = sizeof(features) / sizeof(features[0]) - 1;

static size_t slot_size(const struct feature *f)
{
	return (f->session_size + 15) & ~(size_t)15;
}

size_t feature_slots_size(void)
{
	size_t n = 0;
	FEATURE_EACH (f)
		n += slot_size(f);
	return n;
}

void *feature_slot(const struct session *s, const struct feature *wanted)
{
	size_t at = 0;
	FEATURE_EACH (f) {
		if (f == wanted)
			return (char *)s->slots + at;
		at += slot_size(f);
	}
	return NULL;
}
