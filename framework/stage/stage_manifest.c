/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_manifest.c - what a plugin says of itself, read without running it.
 *
 * The section holds JSON objects, each ended by NUL, whose members make one
 * object. The macros of penstock.h write strings as the C source has them, so
 * stage_literal.c goes over the text before jansson reads it. Written for files
 * that mean harm: see tests/fuzz.
 */
#include "stage/stage_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
	stage_literal_tidy(text, len, &tidied);
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
	manifest->json = stage_manifest_json(manifest);
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
stage_file_open(const char *path, int *ret_fd, struct fault *fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return fault_set(fault, NOT_FOUND, "there is no file %s", path);
	if (fd < 0)
		return fault_errno(fault, errno, "cannot open %s", path);
	*ret_fd = fd;
	return OK;
}

enum status
stage_manifest_take(int fd, const char *path, struct buf *file, struct stage_manifest **ret,
                    struct fault *fault)
{
	enum status st = stage_file_read(fd, path, file, fault);

	close(fd);
	if (st == OK)
		st = stage_manifest_parse(path, file->data, file->len, ret, fault);
	if (st == OK && (st = stage_elf_check_stack(file->data, file->len, fault)) != OK) {
		fault_where(fault, "%s", path);
		stage_manifest_free(*ret);
		*ret = NULL;
	}
	return st;
}

enum status
stage_manifest_read(const char *path, struct stage_manifest **ret, struct fault *fault)
{
	struct buf file;
	int fd;
	enum status st = stage_file_open(path, &fd, fault);

	if (st != OK)
		return st;
	buf_init(&file);
	st = stage_manifest_take(fd, path, &file, ret, fault);
	buf_done(&file);
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
