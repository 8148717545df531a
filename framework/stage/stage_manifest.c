/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_manifest.c - what a plugin says of itself, read without running it.
 *
 * The section holds JSON objects, each ended by NUL, whose members make one
 * object. The macros of penstock.h write strings as the C source has them, so
 * adjacent literals are joined and C's own escapes translated before jansson
 * reads the text. Written for files that mean harm: see tests/fuzz.
 */
#include "stage/stage_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- constants as C writes them ---- */

struct constant {
	const char *p;
	unsigned depth;
	bool good;
};

static double constant_shift(struct constant *c);

static void
constant_space(struct constant *c)
{
	while (*c->p == ' ')
		c->p++;
}

static bool
constant_next(struct constant *c, const char *op)
{
	size_t len = strlen(op);

	constant_space(c);
	if (strncmp(c->p, op, len) != 0)
		return false;
	c->p += len;
	return true;
}

static double
constant_atom(struct constant *c)
{
	char *end;
	double v;

	if (++c->depth > 32) {
		c->good = false;
		return 0;
	}
	if (constant_next(c, "-")) {
		v = -constant_atom(c);
	} else if (constant_next(c, "(")) {
		v = constant_shift(c);
		c->good = c->good && constant_next(c, ")");
	} else {
		constant_space(c);
		c->good = c->good && ((*c->p >= '0' && *c->p <= '9') || *c->p == '.');
		if (!c->good)
			return 0;
		v = strtod(c->p, &end);
		c->good = end != c->p && isfinite(v);
		c->p = end;
		c->p += strspn(c->p, "uUlLfF");
	}
	c->depth--;
	return v;
}

static double
constant_product(struct constant *c)
{
	double v = constant_atom(c);

	while (c->good && constant_next(c, "*"))
		v *= constant_atom(c);
	return v;
}

static double
constant_sum(struct constant *c)
{
	double v = constant_product(c);

	while (c->good) {
		if (constant_next(c, "+"))
			v += constant_product(c);
		else if (constant_next(c, "-"))
			v -= constant_product(c);
		else
			break;
	}
	return v;
}

static double
constant_shift(struct constant *c)
{
	double v = constant_sum(c);

	while (c->good && constant_next(c, "<<"))
		v = ldexp(v, (int)fmax(0, fmin(64, constant_sum(c))));
	return v;
}

bool
stage_constant(const char *text, double *ret)
{
	struct constant c = { text, 0, true };
	double v = constant_shift(&c);

	constant_space(&c);
	if (!c.good || *c.p != '\0' || !isfinite(v))
		return false;
	*ret = v;
	return true;
}

/* ---- from C's literals to JSON's strings ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 32) >= 'a' && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return -1;
}

/* p stands behind the backslash; returns where the escape ends. */
static const char *
tidy_escape(const char *p, const char *end, struct buf *out)
{
	static const char from[] = "ave?'", to[] = "\a\v\033?'";
	const char *known;
	unsigned v = 0;
	int n = 0;

	if (p == end)
		return p;
	known = *p ? strchr(from, *p) : NULL;
	if (known) {
		buf_printf(out, "\\u%04x", (unsigned)to[known - from]);
		return p + 1;
	}
	if (*p == 'x') {
		for (p++; p < end && hex_digit(*p) >= 0; p++)
			v = (v << 4 | (unsigned)hex_digit(*p)) & 0xff;
		buf_printf(out, "\\u%04x", v);
		return p;
	}
	if (*p >= '0' && *p <= '7') {
		for (; p < end && n < 3 && *p >= '0' && *p <= '7'; p++, n++)
			v = (v << 3 | (unsigned)(*p - '0')) & 0xff;
		buf_printf(out, "\\u%04x", v);
		return p;
	}
	buf_addc(out, '\\');
	buf_addc(out, *p);
	return p + 1;
}

/* p stands behind an opening quote; returns where the closing one of the last adjacent literal
 * ends. */
static const char *
tidy_string(const char *p, const char *end, struct buf *out)
{
	while (p < end) {
		if (*p == '\\') {
			p = tidy_escape(p + 1, end, out);
		} else if (*p == '"') {
			const char *next = p + 1;

			while (next < end && (*next == ' ' || *next == '\t'))
				next++;
			if (next == end || *next != '"') {
				buf_addc(out, '"');
				return p + 1;
			}
			p = next + 1;
		} else {
			buf_addc(out, *p++);
		}
	}
	return p;
}

static void
tidy(const char *text, size_t len, struct buf *out)
{
	const char *p = text, *end = text + len;

	while (p < end) {
		buf_addc(out, *p);
		p = *p == '"' ? tidy_string(p + 1, end, out) : p + 1;
	}
}

/* ---- the parts of the section, merged ---- */

static enum status
merge_part(json_t *whole, const char *text, size_t len, struct fault *fault)
{
	struct buf tidied;
	json_error_t error;
	json_t *part, *value;
	const char *key;
	enum status st = OK;

	buf_init(&tidied);
	tidy(text, len, &tidied);
	part = json_loadb(tidied.data, tidied.len, JSON_REJECT_DUPLICATES, &error);
	if (!part || !json_is_object(part)) {
		st = fault_set(fault, INVALID, "malformed manifest: %s",
		               part ? "not an object" : error.text);
		goto out;
	}
	json_object_foreach(part, key, value)
	{
		if (json_object_get(whole, key)) {
			st = fault_set(
			    fault, INVALID,
			    "malformed manifest: \"%s\" stands in it twice (two stages in "
			    "one file?)",
			    key);
			goto out;
		}
		json_object_set(whole, key, value);
	}
out:
	json_decref(part);
	buf_done(&tidied);
	return st;
}

static enum status
merge(const char *section, size_t size, json_t **ret, struct fault *fault)
{
	json_t *whole;
	enum status st = OK;

	if (size > STAGE_MANIFEST_MOST)
		return fault_set(fault, INVALID, "malformed manifest: %zu bytes, more than %zu",
		                 size, STAGE_MANIFEST_MOST);
	whole = json_object();
	for (size_t at = 0; at < size && st == OK;) {
		size_t len = strnlen(section + at, size - at);

		if (len > 0)
			st = merge_part(whole, section + at, len, fault);
		at += len + 1;
	}
	if (st == OK && json_object_size(whole) == 0)
		st = fault_set(fault, INVALID, "malformed manifest: its section is empty");
	if (st != OK) {
		json_decref(whole);
		return st;
	}
	*ret = whole;
	return OK;
}

/* ---- members ---- */

/* Reads members of one object; after the first problem the others answer nothing. */
struct members {
	json_t *object;
	const char *what; /* "option 3" */
	enum status st;
	struct fault *fault;
};

static json_t *
member(struct members *m, const char *name, bool needed, bool right(const json_t *),
       const char *kind)
{
	json_t *value = m->st == OK ? json_object_get(m->object, name) : NULL;

	if (m->st != OK || (!value && !needed))
		return NULL;
	if (!value || !right(value)) {
		m->st = fault_set(m->fault, INVALID, "malformed manifest: %s%s\"%s\" is %s%s",
		                  m->what, *m->what ? ": " : "", name, value ? "no " : "missing",
		                  value ? kind : "");
		return NULL;
	}
	return value;
}

static bool
is_string(const json_t *v)
{
	return json_is_string(v);
}
static bool
is_array(const json_t *v)
{
	return json_is_array(v);
}
static bool
is_integer(const json_t *v)
{
	return json_is_integer(v);
}
static bool
is_boolean(const json_t *v)
{
	return json_is_boolean(v);
}

/* NULL when it is absent and not needed. */
static char *
member_text(struct members *m, const char *name, bool needed)
{
	json_t *value = member(m, name, needed, is_string, "string");

	return value ? mem_dup(json_string_value(value)) : NULL;
}

static bool
member_bool(struct members *m, const char *name)
{
	return json_is_true(member(m, name, false, is_boolean, "boolean"));
}

static int64_t
member_int(struct members *m, const char *name)
{
	return json_integer_value(member(m, name, false, is_integer, "integer"));
}

/* A constant in quotes: 0 when absent, -1 when it is an expression beyond us. */
static int64_t
member_constant(struct members *m, const char *name)
{
	json_t *value = member(m, name, false, is_string, "string");
	double v;

	if (!value)
		return 0;
	if (!stage_constant(json_string_value(value), &v) || v < 0 || v > INT32_MAX)
		return -1;
	return (int64_t)v;
}

/* "PS_TYPE_BOOL" with prefix "PS_TYPE_" becomes "bool". */
static char *
member_word(struct members *m, const char *name, const char *prefix, const char *fallback)
{
	json_t *value = member(m, name, !fallback, is_string, "string");
	const char *text = value ? json_string_value(value) : fallback;
	char *word;

	if (!text)
		return NULL;
	if (strncmp(text, prefix, strlen(prefix)) == 0)
		text += strlen(prefix);
	word = mem_dup(text);
	for (char *c = word; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c | 32);
	return word;
}

static bool
sound_name(const char *name, size_t most)
{
	size_t len = strspn(name,
	                    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return len > 0 && len <= most && name[len] == '\0';
}

static void
read_option(struct members *m, struct stage_manifest_option *option)
{
	double min, max;

	option->name = member_text(m, "name", true);
	option->type = member_word(m, "type", "PS_TYPE_", NULL);
	option->required = member_int(m, "flags") & PS_OPTION_REQUIRED;
	option->fallback = member_text(m, "default", false);
	option->choices = member_text(m, "choices", false);
	option->help = member_text(m, "help", false);
	option->min = member_text(m, "min", false);
	option->max = member_text(m, "max", false);
	if (m->st != OK)
		return;
	if (!sound_name(option->name, 64))
		m->st = fault_set(m->fault, INVALID,
		                  "malformed manifest: an option is named \"%s\"", option->name);
	else if (option_type_of(option->type) == 0)
		m->st = fault_set(m->fault, INVALID,
		                  "malformed manifest: option %s has the unknown type \"%s\"",
		                  option->name, option->type);
	if (!option->min || !option->max || strcmp(option->min, option->max) == 0 ||
	    (stage_constant(option->min, &min) && stage_constant(option->max, &max) &&
	     !(min < max))) {
		free(option->min);
		free(option->max);
		option->min = option->max = NULL;
	}
}

static void
read_counter(struct members *m, struct stage_manifest_counter *counter)
{
	counter->name = member_text(m, "name", true);
	counter->kind = member_word(m, "kind", "PS_KIND_", NULL);
	counter->unit = member_text(m, "unit", false);
	counter->help = member_text(m, "help", false);
	if (m->st == OK && !sound_name(counter->name, 64))
		m->st = fault_set(m->fault, INVALID,
		                  "malformed manifest: a counter is named \"%s\"", counter->name);
}

/* The macros end each list with null; others may leave it out. */
static size_t
list_length(json_t *list)
{
	size_t n = json_array_size(list);

	return n > 0 && json_is_null(json_array_get(list, n - 1)) ? n - 1 : n;
}

static enum status
read_options(struct stage_manifest *manifest, struct members *whole)
{
	json_t *list = member(whole, "options", false, is_array, "array");
	size_t n = list_length(list);

	manifest->options = mem_array(NULL, n + 1, sizeof *manifest->options);
	memset(manifest->options, 0, (n + 1) * sizeof *manifest->options);
	for (size_t i = 0; i < n && whole->st == OK; i++) {
		char what[32];
		struct members m = { json_array_get(list, i), what, OK, whole->fault };

		snprintf(what, sizeof what, "option %zu", i + 1);
		manifest->n_options = i + 1;
		read_option(&m, &manifest->options[i]);
		whole->st = m.st;
	}
	return whole->st;
}

static enum status
read_counters(struct stage_manifest *manifest, struct members *whole)
{
	json_t *list = member(whole, "counters", false, is_array, "array");
	size_t n = list_length(list);

	manifest->counters = mem_array(NULL, n + 1, sizeof *manifest->counters);
	memset(manifest->counters, 0, (n + 1) * sizeof *manifest->counters);
	for (size_t i = 0; i < n && whole->st == OK; i++) {
		char what[32];
		struct members m = { json_array_get(list, i), what, OK, whole->fault };

		snprintf(what, sizeof what, "counter %zu", i + 1);
		manifest->n_counters = i + 1;
		read_counter(&m, &manifest->counters[i]);
		whole->st = m.st;
	}
	return whole->st;
}

static enum status
read_routes(struct stage_manifest *manifest, struct members *m)
{
	json_t *value = member(m, "routes", false, is_string, "string");

	stage_split(value ? json_string_value(value) : "done", &manifest->routes,
	            &manifest->n_routes);
	if (m->st == OK && manifest->n_routes == 0)
		m->st = fault_set(m->fault, INVALID, "malformed manifest: it names no route");
	for (size_t i = 0; i < manifest->n_routes && m->st == OK; i++)
		if (!sound_name(manifest->routes[i], 64))
			m->st = fault_set(m->fault, INVALID,
			                  "malformed manifest: a route is named \"%s\"",
			                  manifest->routes[i]);
	return m->st;
}

static enum status
read_abi(struct stage_manifest *manifest, struct members *m)
{
	json_t *abi = member(m, "abi", true, is_array, "array");

	if (m->st != OK)
		return m->st;
	if (json_array_size(abi) != 2 || !json_is_integer(json_array_get(abi, 0)) ||
	    !json_is_integer(json_array_get(abi, 1)))
		return m->st = fault_set(m->fault, INVALID,
		                         "malformed manifest: \"abi\" is not [major, minor]");
	manifest->abi_major = (int)json_integer_value(json_array_get(abi, 0));
	manifest->abi_minor = (int)json_integer_value(json_array_get(abi, 1));
	if (manifest->abi_major != PS_ABI_MAJOR)
		return m->st = fault_set(m->fault, INVALID,
		                         "built for ABI %d, this host has ABI %d",
		                         manifest->abi_major, PS_ABI_MAJOR);
	if (manifest->abi_minor > PS_ABI_MINOR_MAX)
		return m->st = fault_set(m->fault, INVALID,
		                         "needs ABI %d.%d or later, this host has %d.%d",
		                         manifest->abi_major, manifest->abi_minor, PS_ABI_MAJOR,
		                         PS_ABI_MINOR_MAX);
	return OK;
}

static enum status
read_whole(struct stage_manifest *manifest, json_t *whole, struct fault *fault)
{
	struct members m = { whole, "", OK, fault };

	if (read_abi(manifest, &m) != OK)
		return m.st;
	manifest->name = member_text(&m, "name", true);
	manifest->version = member_text(&m, "version", true);
	manifest->summary = member_text(&m, "summary", true);
	manifest->form = member_text(&m, "form", true);
	manifest->threading = member_word(&m, "threading", "PS_", "PS_REENTRANT");
	manifest->transactional = member_bool(&m, "transactional");
	manifest->reads_db = member_bool(&m, "reads_db");
	manifest->max_in_flight = member_constant(&m, "max_in_flight");
	manifest->max_call = member_constant(&m, "max_call");
	manifest->features = (uint64_t)member_constant(&m, "features");
	if (m.st == OK && !sound_name(manifest->name, 48))
		m.st = fault_set(
		    fault, INVALID,
		    "malformed manifest: \"%s\" is no name for a plugin (letters, digits "
		    "and _, at most 48)",
		    manifest->name);
	if (read_routes(manifest, &m) != OK || read_options(manifest, &m) != OK ||
	    read_counters(manifest, &m) != OK)
		return m.st;
	return m.st;
}

/* ---- the tidied JSON ---- */

static void
add_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, ",\"%s\":", name);
	buf_add_json(out, text ? text : "", text ? strlen(text) : 0);
}

static void
add_bound(struct buf *out, const char *name, const char *text)
{
	double v;

	if (text && stage_constant(text, &v))
		buf_printf(out, ",\"%s\":%.15g", name, v);
	else if (text)
		add_text(out, name, text);
}

static void
add_options(struct buf *out, const struct stage_manifest *manifest)
{
	buf_adds(out, ",\"options\":[");
	for (size_t i = 0; i < manifest->n_options; i++) {
		const struct stage_manifest_option *option = &manifest->options[i];

		buf_adds(out, i ? ",{\"name\":" : "{\"name\":");
		buf_add_json(out, option->name, strlen(option->name));
		add_text(out, "type", option->type);
		buf_printf(out, ",\"required\":%s", option->required ? "true" : "false");
		if (!option->required)
			add_text(out, "default", option->fallback);
		if (option->choices && *option->choices)
			add_text(out, "choices", option->choices);
		add_bound(out, "min", option->min);
		add_bound(out, "max", option->max);
		add_text(out, "help", option->help);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static void
add_counters(struct buf *out, const struct stage_manifest *manifest)
{
	buf_adds(out, ",\"counters\":[");
	for (size_t i = 0; i < manifest->n_counters; i++) {
		const struct stage_manifest_counter *counter = &manifest->counters[i];

		buf_adds(out, i ? ",{\"name\":" : "{\"name\":");
		buf_add_json(out, counter->name, strlen(counter->name));
		add_text(out, "kind", counter->kind);
		add_text(out, "unit", counter->unit);
		add_text(out, "help", counter->help);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static char *
tidied_json(const struct stage_manifest *manifest)
{
	struct buf out;
	char sum[65];

	buf_init(&out);
	buf_printf(&out, "{\"abi\":[%d,%d]", manifest->abi_major, manifest->abi_minor);
	add_text(&out, "name", manifest->name);
	add_text(&out, "version", manifest->version);
	add_text(&out, "summary", manifest->summary);
	add_text(&out, "form", manifest->form);
	add_text(&out, "threading", manifest->threading);
	buf_printf(&out, ",\"transactional\":%s,\"reads_db\":%s",
	           manifest->transactional ? "true" : "false",
	           manifest->reads_db ? "true" : "false");
	if (manifest->max_in_flight >= 0)
		buf_printf(&out, ",\"max_in_flight\":%lld", (long long)manifest->max_in_flight);
	if (manifest->max_call >= 0)
		buf_printf(&out, ",\"max_call\":%lld", (long long)manifest->max_call);
	buf_adds(&out, ",\"routes\":[");
	for (size_t i = 0; i < manifest->n_routes; i++) {
		buf_adds(&out, i ? "," : "");
		buf_add_json(&out, manifest->routes[i], strlen(manifest->routes[i]));
	}
	buf_addc(&out, ']');
	add_options(&out, manifest);
	add_counters(&out, manifest);
	sha256_hex(&manifest->sum, sum);
	buf_printf(&out, ",\"size\":%lld,\"sha256\":\"%s\"}", (long long)manifest->size, sum);
	return buf_steal(&out);
}

/* ---- the whole ---- */

enum status
stage_manifest_parse(const char *path, const void *file, size_t size, struct stage_manifest **ret,
                     struct fault *fault)
{
	struct stage_manifest *manifest;
	const char *section;
	size_t section_size;
	json_t *whole = NULL;
	enum status st;

	st = stage_elf_section(file, size, PS_MANIFEST_SECTION, &section, &section_size, fault);
	if (st == OK)
		st = merge(section, section_size, &whole, fault);
	if (st != OK) {
		fault_where(fault, "%s", path);
		return st;
	}
	manifest = mem_alloc(sizeof *manifest);
	manifest->size = (int64_t)size;
	sha256_of(file, size, &manifest->sum);
	st = read_whole(manifest, whole, fault);
	json_decref(whole);
	if (st != OK) {
		fault_where(fault, "%s", path);
		stage_manifest_free(manifest);
		return st;
	}
	manifest->json = tidied_json(manifest);
	*ret = manifest;
	return OK;
}

enum status
stage_file_read(int fd, const char *path, struct buf *ret, struct fault *fault)
{
	struct stat info;
	ssize_t got;

	if (fstat(fd, &info) != 0)
		return fault_errno(fault, errno, "cannot look at %s", path);
	if (!S_ISREG(info.st_mode))
		return fault_set(fault, INVALID, "%s is not a file", path);
	if ((uint64_t)info.st_size > STAGE_PLUGIN_MOST)
		return fault_set(fault, LIMIT, "%s has %lld bytes, more than 256 MiB", path,
		                 (long long)info.st_size);
	buf_reserve(ret, (size_t)info.st_size + 1);
	while ((got = read(fd, buf_reserve(ret, 65536), 65536)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_errno(fault, errno, "cannot read %s", path);
		ret->len += (size_t)got;
		if (ret->len > STAGE_PLUGIN_MOST)
			return fault_set(fault, LIMIT, "%s grows beyond 256 MiB", path);
	}
	ret->data[ret->len] = '\0';
	return OK;
}

enum status
stage_manifest_read(const char *path, struct stage_manifest **ret, struct fault *fault)
{
	struct buf file;
	enum status st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return fault_set(fault, NOT_FOUND, "there is no file %s", path);
	if (fd < 0)
		return fault_errno(fault, errno, "cannot open %s", path);
	buf_init(&file);
	st = stage_file_read(fd, path, &file, fault);
	if (st == OK)
		st = stage_manifest_parse(path, file.data, file.len, ret, fault);
	if (st == OK && (st = stage_elf_check_stack(file.data, file.len, fault)) != OK) {
		fault_where(fault, "%s", path);
		stage_manifest_free(*ret);
		*ret = NULL;
	}
	buf_done(&file);
	close(fd);
	return st;
}

void
stage_manifest_free(struct stage_manifest *manifest)
{
	if (!manifest)
		return;
	for (size_t i = 0; i < manifest->n_options; i++) {
		struct stage_manifest_option *option = &manifest->options[i];

		free(option->name);
		free(option->type);
		free(option->fallback);
		free(option->choices);
		free(option->help);
		free(option->min);
		free(option->max);
	}
	for (size_t i = 0; i < manifest->n_counters; i++) {
		free(manifest->counters[i].name);
		free(manifest->counters[i].kind);
		free(manifest->counters[i].unit);
		free(manifest->counters[i].help);
	}
	stage_split_free(manifest->routes, manifest->n_routes);
	free(manifest->options);
	free(manifest->counters);
	free(manifest->name);
	free(manifest->version);
	free(manifest->summary);
	free(manifest->form);
	free(manifest->threading);
	free(manifest->json);
	free(manifest);
}
