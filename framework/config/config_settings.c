/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_settings.c - the settings of settings.def, from files, environment
 * and flags.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config_priv.h"

enum kind { BOOL, INT, SIZE, DURATION, STRING, PATH };

struct row {
	const char *name, *fallback, *environment, *help;
	enum kind kind;
	double min, max;
	size_t offset;
};

static const struct row rows[] = {
#define SETTING(type, name, fallback, min, max, env, help)                                         \
	{ #name, fallback, env, help, type, min, max, offsetof(struct settings, name) },
#include "config/settings.def"
#undef SETTING
};

static const char *const names[] = {
#define SETTING(type, name, fallback, min, max, env, help) #name,
#include "config/settings.def"
#undef SETTING
};

const char *const *
config_setting_names(size_t *ret_n)
{
	*ret_n = countof(names);
	return names;
}

static const struct row *
find(const char *name)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

/* ---- back to text ---- */

struct unit {
	int64_t size;
	const char *name;
};

/* In the largest unit that needs no fraction: exact, so that two texts differ when two values do.
 */
static char *
in_units(int64_t value, const struct unit *units)
{
	while (units->size > 1 && (value == 0 || value % units->size != 0))
		units++;
	return mem_printf("\"%" PRId64 "%s\"", value / units->size, units->name);
}

char *
config_duration_text(int64_t ns)
{
	static const struct unit units[] = { { 86400 * SEC, "d" }, { 3600 * SEC, "h" },
		                             { 60 * SEC, "min" },  { SEC, "s" },
		                             { MSEC, "ms" },       { 1000, "us" },
		                             { 1, "ns" } };

	return ns == 0 ? mem_dup("\"0s\"") : in_units(ns, units);
}

char *
config_string_text(const char *text)
{
	struct buf out;

	buf_init(&out);
	buf_add_json(&out, text, strlen(text));
	return buf_steal(&out);
}

char *
config_setting_text(const struct settings *set, size_t i)
{
	static const struct unit units[] = { { (int64_t)1 << 40, "TiB" },
		                             { (int64_t)1 << 30, "GiB" },
		                             { (int64_t)1 << 20, "MiB" },
		                             { (int64_t)1 << 10, "KiB" },
		                             { 1, "B" } };
	const void *at = (const char *)set + rows[i].offset;

	switch (rows[i].kind) {
	case BOOL: return mem_dup(*(const bool *)at ? "true" : "false");
	case INT: return mem_printf("%" PRId64, *(const int64_t *)at);
	case SIZE: return in_units(*(const int64_t *)at, units);
	case DURATION: return config_duration_text(*(const int64_t *)at);
	case STRING:
	case PATH: break;
	}
	return config_string_text(*(char *const *)at);
}

static void *
member(struct settings *set, const struct row *row)
{
	return (char *)set + row->offset;
}

static void
put_string(struct settings *set, const struct row *row, const char *text)
{
	char **at = member(set, row), *old = *at, *folder;

	if (row->kind == PATH && text[0] != '/') {
		folder = getcwd(NULL, 0);
		*at = mem_printf("%s/%s", folder ? folder : "", text);
		free(folder);
	} else {
		*at = mem_dup(text);
	}
	free(old);
}

/* Settings of a few words. NULL: any text will do. */
static const char *const *
words_of(const struct row *row)
{
	static const struct {
		const char *name, *words[5];
	} choices[] = {
		{ "pooler", { "none", "transaction" } },
		{ "log_level", { "debug", "info", "warning", "error" } },
		{ "log_format", { "auto", "text", "json", "journal" } },
	};

	for (size_t i = 0; i < countof(choices); i++)
		if (strcmp(choices[i].name, row->name) == 0)
			return choices[i].words;
	return NULL;
}

/* False, and said: the setting takes other words. */
static bool
good_word(const struct row *row, const char *text, const char *file, int line,
          struct problems *problems)
{
	const char *const *words = words_of(row);
	struct buf list;
	size_t n = 0;

	if (!words)
		return true;
	for (; words[n]; n++)
		if (strcmp(words[n], text) == 0)
			return true;
	buf_init(&list);
	for (size_t i = 0; i < n; i++)
		buf_printf(&list, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", words[i]);
	config_problem(problems, file, line, "%s must be %s, not '%s'%s", row->name, list.data,
	               text, config_suggest(text, words, n));
	buf_done(&list);
	return false;
}

enum status
config_http(const char *text, struct config_http *ret, struct fault *fault)
{
	const char *colon = strrchr(text, ':');
	struct in6_addr ignored;
	int64_t port;
	size_t n;

	*ret = (struct config_http){ 0 };
	if (!colon || text_int(colon + 1, 1, 65535, &port, NULL) != OK)
		return fault_set(fault, INVALID,
		                 "'%s' is no address with a port, as \"127.0.0.1:9187\"", text);
	n = (size_t)(colon - text);
	ret->port = (uint16_t)port;
	ret->ipv6 = n >= 2 && text[0] == '[' && text[n - 1] == ']';
	if (ret->ipv6) {
		text++;
		n -= 2;
	}
	if (n == 0 || (n == 9 && strncmp(text, "localhost", n) == 0))
		strcpy(ret->host, ret->ipv6 ? "::1" : "127.0.0.1");
	else if (n < sizeof ret->host)
		memcpy(ret->host, text, n);
	if (inet_pton(ret->ipv6 ? AF_INET6 : AF_INET, ret->host, &ignored) != 1)
		return fault_set(fault, INVALID,
		                 "'%.*s' is no address: \"127.0.0.1\", \"[::1]\", \"0.0.0.0\"",
		                 (int)n, text);
	return OK;
}

/* False, and said: the setting is no address. */
static bool
good_address(const struct row *row, const char *text, const char *file, int line,
             struct problems *problems)
{
	struct fault fault = { 0 };
	struct config_http at;

	if (strcmp(row->name, "http") != 0 || !text[0] || config_http(text, &at, &fault) == OK)
		return true;
	config_problem(problems, file, line, "http: %s", fault.text);
	return false;
}

static bool
in_range(const struct row *row, int64_t value)
{
	return row->min == row->max || ((double)value >= row->min && (double)value <= row->max);
}

static const char *
shown(const struct row *row, double value, char *out)
{
	if (row->kind == DURATION)
		return text_ns((int64_t)value, out);
	if (row->kind == SIZE)
		return text_bytes((int64_t)value, out);
	snprintf(out, 32, "%.0f", value);
	return out;
}

static void
put_number(struct settings *set, const struct row *row, int64_t value, const char *file, int line,
           struct problems *problems)
{
	char least[32], most[32];

	if (in_range(row, value))
		*(int64_t *)member(set, row) = value;
	else
		config_problem(problems, file, line, "%s is out of range: %s to %s", row->name,
		               shown(row, row->min, least), shown(row, row->max, most));
}

static void
put_text(struct settings *set, const struct row *row, const char *text, const char *file, int line,
         struct problems *problems)
{
	struct fault fault = { 0 };
	int64_t value = 0;
	enum status st = OK;

	switch (row->kind) {
	case STRING:
	case PATH:
		if (row->kind == PATH && !text[0])
			config_problem(problems, file, line, "%s must be a path, not ''",
			               row->name);
		else if (good_word(row, text, file, line, problems) &&
		         good_address(row, text, file, line, problems))
			put_string(set, row, text);
		return;
	case BOOL:
		if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
			*(bool *)member(set, row) = text[0] == 't';
		else
			config_problem(problems, file, line, "%s must be true or false, not '%s'",
			               row->name, text);
		return;
	case INT: st = text_int(text, INT64_MIN, INT64_MAX, &value, &fault); break;
	case SIZE: st = text_size(text, &value, &fault); break;
	case DURATION: st = text_duration(text, &value, &fault); break;
	}
	if (st == OK)
		put_number(set, row, value, file, line, problems);
	else
		config_problem(problems, file, line, "%s: %s", row->name, fault.text);
}

void
config_defaults(struct settings *set)
{
	struct fault fault = { 0 };
	struct problems none = { .fault = &fault };

	memset(set, 0, sizeof(*set));
	for (size_t i = 0; i < countof(rows); i++)
		put_text(set, &rows[i], rows[i].fallback, "settings.def", 0, &none);
	check(none.n == 0);
}

static void
unknown(const char *name, const char *file, int line, struct problems *problems)
{
	config_problem(problems, file, line, "unknown setting '%s'%s", name,
	               config_suggest(name, names, countof(names)));
}

void
config_set_text(struct settings *set, const char *name, const char *text, const char *file,
                int line, struct problems *problems)
{
	const struct row *row = find(name);

	if (row)
		put_text(set, row, text, file, line, problems);
	else
		unknown(name, file, line, problems);
}

static const char *
wanted(enum kind kind)
{
	static const char *const texts[] = {
		[BOOL] = "true or false",
		[INT] = "a whole number",
		[SIZE] = "a size like \"64MiB\"",
		[DURATION] = "a duration like \"250ms\"",
		[STRING] = "a string",
		[PATH] = "a path",
	};

	return texts[kind];
}

void
config_set(struct settings *set, const config_setting_t *setting, const char *file,
           struct problems *problems)
{
	const char *name = config_setting_name(setting);
	int type = config_setting_type(setting), line = (int)config_setting_source_line(setting);
	const struct row *row = find(name);

	if (!row) {
		unknown(name, file, line, problems);
		return;
	}
	if (row->kind == BOOL && type == CONFIG_TYPE_BOOL)
		*(bool *)member(set, row) = config_setting_get_bool(setting);
	else if (row->kind == INT && (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64))
		put_number(set, row, config_setting_get_int64(setting), file, line, problems);
	else if (row->kind != BOOL && row->kind != INT && type == CONFIG_TYPE_STRING)
		put_text(set, row, config_setting_get_string(setting), file, line, problems);
	else
		config_problem(problems, file, line, "%s must be %s", name, wanted(row->kind));
}

void
config_environment(struct settings *set, struct problems *problems)
{
	for (size_t i = 0; i < countof(rows); i++) {
		const char *value = rows[i].environment[0] ? getenv(rows[i].environment) : NULL;

		if (value)
			put_text(set, &rows[i], value, rows[i].environment, 0, problems);
	}
}

void
config_settings_free(struct settings *set)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].kind == STRING || rows[i].kind == PATH)
			free(*(char **)member(set, &rows[i]));
}
