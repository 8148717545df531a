/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attributes.c - find the members of a job's attributes that are too big to
 * keep with a finished job.
 *
 * The host has checked that attributes are one JSON object, so the walk below
 * only needs to tell where a value ends.
 */
#include "store_priv.h"

#include <string.h>

/* At the opening quote; behind the closing one. */
static const char *
skip_string(const char *p)
{
	for (p++; *p && *p != '"'; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p ? p + 1 : p;
}

static const char *
skip_value(const char *p)
{
	int depth = 0;

	while (*p) {
		if (*p == '"') {
			p = skip_string(p);
			continue;
		}
		if (depth == 0 && (*p == ',' || *p == '}'))
			return p;
		if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
		p++;
	}
	return p;
}

static const char *
skip_to(const char *p, char c)
{
	while (*p && *p != c)
		p++;
	return p;
}

/* The first member that is too big; NULL when there is none. A name with an escape in it stays:
 * names of such a kind are nobody's big ones. */
static const char *
find_big(struct ps_call *call, const char *json, size_t most)
{
	const char *name = skip_to(json, '"');

	while (*name) {
		const char *name_end = skip_string(name);
		const char *value = skip_to(name_end, ':');
		const char *value_end = *value ? skip_value(value + 1) : value;
		size_t len = (size_t)(name_end - name) - 2;

		if ((size_t)(value_end - value) > most + 1 && !memchr(name, '\\', len + 2))
			return ps_printf(call, "%.*s", (int)len, name + 1);
		name = skip_to(value_end, '"');
	}
	return NULL;
}

void
attributes_drop_big(struct ps_call *call, struct ps_message *m, size_t most)
{
	const char *name;

	while ((name = find_big(call, m->attributes, most)) != NULL)
		if (ps_set_json(call, m, name, NULL, 0) != PS_OK)
			return;
}
