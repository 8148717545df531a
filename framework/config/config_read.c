/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_read.c - values of a group by their keys, for pipelines, stages and schedules.
 *
 * Each gives a value of its type in any case, and reports what was wrong with
 * the one that stands there.
 */
#include <inttypes.h>
#include <string.h>

#include "config/config_priv.h"

#define NAME_MOST 63

int
config_line_of(const config_setting_t *setting)
{
	return (int)config_setting_source_line(setting);
}

/* Lower-case letters, digits, _ and -, so that names are fit for labels, files and roles. */
static bool
good_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return len > 0 && len <= NAME_MOST && !name[len] && name[0] != '-';
}

char *
config_read_name(const config_setting_t *group, const char *key, const char *fallback,
                 const struct config_place *at)
{
	const config_setting_t *setting = config_setting_get_member(group, key);
	const char *name = setting ? config_setting_get_string(setting) : fallback;
	int line = config_line_of(setting ? setting : group);

	if (!setting && !fallback) {
		config_problem(at->problems, at->file, line, "'%s' is missing", key);
		return mem_dup("");
	}
	if (!name) {
		config_problem(at->problems, at->file, line, "%s must be a string", key);
		return mem_dup("");
	}
	if (setting && !good_name(name)) /* a fallback was complained of where it stands */
		config_problem(at->problems, at->file, line,
		               "%s '%s': names are 1 to %d lower-case letters, digits, _ and -",
		               key, name, NAME_MOST);
	return mem_dup(name);
}

void
config_check_keys(const config_setting_t *group, const char *what, const char *const *keys,
                  size_t n, const struct config_place *at)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *member = config_setting_get_elem(group, (unsigned)i);
		const char *name = config_setting_name(member);
		bool known = false;

		for (size_t k = 0; k < n; k++)
			known |= strcmp(name, keys[k]) == 0;
		if (!known)
			config_problem(at->problems, at->file, config_line_of(member),
			               "unknown key '%s' in a %s%s", name, what,
			               config_suggest(name, keys, n));
	}
}

int64_t
config_read_int(const config_setting_t *group, const char *key, int64_t fallback, int64_t least,
                int64_t most, const struct config_place *at)
{
	const config_setting_t *setting = config_setting_get_member(group, key);
	int64_t value;

	if (!setting)
		return fallback;
	if (config_setting_type(setting) != CONFIG_TYPE_INT &&
	    config_setting_type(setting) != CONFIG_TYPE_INT64) {
		config_problem(at->problems, at->file, config_line_of(setting),
		               "%s must be a whole number", key);
		return fallback;
	}
	value = config_setting_get_int64(setting);
	if (value >= least && value <= most)
		return value;
	config_problem(at->problems, at->file, config_line_of(setting),
	               "%s is out of range: %" PRId64 " to %" PRId64, key, least, most);
	return fallback;
}

/* The index of the word that the key has; 0 without it. */
size_t
config_read_choice(const config_setting_t *group, const char *key, const char *const *names,
                   size_t n, const struct config_place *at)
{
	const config_setting_t *setting = config_setting_get_member(group, key);
	const char *text = setting ? config_setting_get_string(setting) : names[0];
	struct buf all;

	for (size_t i = 0; text && i < n; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	buf_init(&all);
	for (size_t i = 0; i < n; i++)
		buf_printf(&all, "%s\"%s\"", i == 0 ? "" : i + 1 < n ? ", " : " or ", names[i]);
	config_problem(at->problems, at->file, config_line_of(setting), "%s must be %s", key,
	               all.data);
	buf_done(&all);
	return 0;
}
