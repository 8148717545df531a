/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_options.c - from text and lines of configuration to the plugin's struct.
 *
 * One row of the plugin's table says everything: type, default, range, choices.
 * The default is read by the same code as what the configuration gives, so it
 * is checked too. A secret is the content of the file that its value names.
 */
#include "stage/stage_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_MOST 65536

static const char *const type_names[] = {
	[PS_TYPE_BOOL] = "bool",     [PS_TYPE_INT] = "int",   [PS_TYPE_FLOAT] = "float",
	[PS_TYPE_STRING] = "string", [PS_TYPE_ENUM] = "enum", [PS_TYPE_DURATION] = "duration",
	[PS_TYPE_SIZE] = "size",     [PS_TYPE_LIST] = "list", [PS_TYPE_PATH] = "path",
	[PS_TYPE_SECRET] = "secret",
};

const char *
option_type_name(uint32_t type)
{
	return type > 0 && type < countof(type_names) ? type_names[type] : "?";
}

uint32_t
option_type_of(const char *name)
{
	for (uint32_t i = 1; i < countof(type_names); i++)
		if (strcmp(type_names[i], name) == 0)
			return i;
	return 0;
}

/* ---- one value ---- */

/* What a row is read from: a line of configuration, or the default. */
struct given {
	const struct ps_option *row;
	const struct config_option *line; /* NULL: the default */
	const char *text;                 /* of a string, or the default */
	struct fault *fault;
};

static enum status
wrong_type(const struct given *g, const char *expected)
{
	static const char *const has[] = {
		[CONFIG_T_BOOL] = "a boolean",
		[CONFIG_T_INT] = "an integer",
		[CONFIG_T_FLOAT] = "a number with a point",
		[CONFIG_T_STRING] = "a string",
		[CONFIG_T_LIST] = "a list",
	};

	return fault_set(g->fault, INVALID, "option %s must be %s, not %s", g->row->name, expected,
	                 g->line && (unsigned)g->line->type < countof(has) ? has[g->line->type]
	                                                                   : "this");
}

static enum status
out_of_range(const struct given *g, const char *value)
{
	char min[32], max[32];

	switch (g->row->type) {
	case PS_TYPE_DURATION:
		text_ns((int64_t)(g->row->min * MSEC), min);
		text_ns((int64_t)(g->row->max * MSEC), max);
		break;
	case PS_TYPE_SIZE:
		text_bytes((int64_t)g->row->min, min);
		text_bytes((int64_t)g->row->max, max);
		break;
	default:
		snprintf(min, sizeof min, "%.15g", g->row->min);
		snprintf(max, sizeof max, "%.15g", g->row->max);
	}
	return fault_set(g->fault, INVALID, "option %s is %s, allowed is %s to %s", g->row->name,
	                 value, min, max);
}

static enum status
check_range(const struct given *g, double value)
{
	char text[48];

	if (!(g->row->min < g->row->max) || (value >= g->row->min && value <= g->row->max))
		return OK;
	if (g->text)
		return out_of_range(g, g->text);
	snprintf(text, sizeof text, "%.15g", value);
	return out_of_range(g, text);
}

/* Puts the option's name before what a reader of text said. */
static enum status
name_it(const struct given *g, enum status st, const struct fault *inner)
{
	if (st != OK)
		fault_set(g->fault, INVALID, "option %s: %s", g->row->name, inner->text);
	return st;
}

static enum status
read_bool(const struct given *g, struct option_value *ret)
{
	if (g->line && g->line->type != CONFIG_T_BOOL)
		return wrong_type(g, "true or false");
	if (g->line)
		ret->boolean = g->line->boolean;
	else if (strcmp(g->text, "true") == 0 || strcmp(g->text, "1") == 0)
		ret->boolean = true;
	else if (strcmp(g->text, "false") != 0 && strcmp(g->text, "0") != 0 && *g->text)
		return fault_set(g->fault, INVALID,
		                 "option %s: the default '%s' is not true or false", g->row->name,
		                 g->text);
	return OK;
}

static enum status
read_number(const struct given *g, struct option_value *ret)
{
	if (g->line && g->line->type == CONFIG_T_INT)
		ret->number = (double)g->line->integer;
	else if (g->line && g->line->type == CONFIG_T_FLOAT)
		ret->number = g->line->number;
	else if (g->line)
		return wrong_type(g, "a number");
	else if (*g->text && !stage_constant(g->text, &ret->number))
		return fault_set(g->fault, INVALID, "option %s: the default '%s' is not a number",
		                 g->row->name, g->text);
	if (!isfinite(ret->number))
		return wrong_type(g, "a finite number");
	return check_range(g, ret->number);
}

static enum status
read_int(const struct given *g, struct option_value *ret)
{
	enum status st;

	if (g->line && g->line->type == CONFIG_T_FLOAT)
		return wrong_type(g, "a whole number");
	st = read_number(g, ret);
	if (st != OK)
		return st;
	ret->integer = g->line ? g->line->integer : (int64_t)ret->number;
	return OK;
}

static enum status
read_duration(const struct given *g, struct option_value *ret)
{
	struct fault inner = { 0 };
	int64_t ns = 0;
	enum status st;

	if (g->line && g->line->type == CONFIG_T_INT && g->line->integer != 0)
		return fault_set(
		    g->fault, INVALID, "option %s has no unit: write \"%llds\" or \"%lldms\"",
		    g->row->name, (long long)g->line->integer, (long long)g->line->integer);
	if (g->line && g->line->type != CONFIG_T_STRING && g->line->type != CONFIG_T_INT)
		return wrong_type(g, "a duration as \"250ms\"");
	st = g->text && *g->text ? text_duration(g->text, &ns, &inner) : OK;
	if (name_it(g, st, &inner) != OK)
		return st;
	ret->integer = ns / MSEC;
	return check_range(g, (double)ret->integer);
}

static enum status
read_size(const struct given *g, struct option_value *ret)
{
	struct fault inner = { 0 };
	enum status st = OK;

	if (g->line && g->line->type == CONFIG_T_INT)
		ret->integer = g->line->integer;
	else if (g->line && g->line->type != CONFIG_T_STRING)
		return wrong_type(g, "a size as \"64KiB\"");
	else if (*g->text)
		st = text_size(g->text, &ret->integer, &inner);
	if (name_it(g, st, &inner) != OK)
		return st;
	if (ret->integer < 0)
		return out_of_range(g, "negative");
	return check_range(g, (double)ret->integer);
}

static enum status
read_enum(const struct given *g, struct option_value *ret)
{
	const char *names[64];
	char *copy, *rest, *word;
	const char *nearest;
	size_t n = 0;
	bool found = false;

	if (g->line && g->line->type != CONFIG_T_STRING)
		return wrong_type(g, "one of its words in quotes");
	copy = rest = mem_dup(g->row->choices ? g->row->choices : "");
	while ((word = strsep(&rest, "|")) != NULL && n < countof(names)) {
		if (strcmp(word, g->text) == 0) {
			ret->integer = (int64_t)n;
			found = true;
		}
		names[n++] = word;
	}
	if (!found) {
		fault_set(g->fault, INVALID, "option %s is '%s', not one of %s", g->row->name,
		          g->text, g->row->choices ? g->row->choices : "");
		nearest = text_nearest(g->text, names, n);
		if (nearest)
			fault_hint(g->fault, "did you mean '%s'?", nearest);
	}
	free(copy);
	return found ? OK : INVALID;
}

static enum status
read_list(const struct given *g, struct option_value *ret)
{
	if (!g->line) {
		stage_split(g->text, &ret->list.items, &ret->list.n);
		return OK;
	}
	if (g->line->type == CONFIG_T_STRING) {
		ret->list.items = mem_array(NULL, 1, sizeof *ret->list.items);
		ret->list.items[ret->list.n++] = mem_dup(g->line->string);
		return OK;
	}
	if (g->line->type != CONFIG_T_LIST)
		return wrong_type(g, "a list of strings");
	ret->list.items = mem_array(NULL, g->line->n_items + 1, sizeof *ret->list.items);
	for (size_t i = 0; i < g->line->n_items; i++)
		ret->list.items[ret->list.n++] = mem_dup(g->line->items[i]);
	return OK;
}

static enum status
read_string(const struct given *g, struct option_value *ret)
{
	if (g->line && g->line->type != CONFIG_T_STRING)
		return wrong_type(g, "a string");
	ret->text = mem_dup(g->text);
	return OK;
}

/* Relative to the folder of the file that says it; a default and a flag, to the working folder. */
static char *
absolute(const struct given *g)
{
	const char *file = g->line ? g->line->file : NULL;
	const char *slash = file ? strrchr(file, '/') : NULL;
	char *folder, *path, *real;

	if (*g->text == '/' || !*g->text)
		return mem_dup(g->text);
	folder = slash ? mem_dupn(file, (size_t)(slash - file) + (slash == file)) : mem_dup(".");
	real = realpath(folder, NULL);
	path = mem_printf("%s/%s", real ? real : folder, g->text);
	free(real);
	free(folder);
	return path;
}

static enum status
read_path(const struct given *g, struct option_value *ret)
{
	if (g->line && g->line->type != CONFIG_T_STRING)
		return wrong_type(g, "a path in quotes");
	ret->text = absolute(g);
	return OK;
}

static enum status
check_secret_file(int fd, const struct given *g, const char *path)
{
	struct stat info;

	if (fstat(fd, &info) != 0)
		return fault_errno(g->fault, errno, "option %s: cannot look at %s", g->row->name,
		                   path);
	if (!S_ISREG(info.st_mode))
		return fault_set(g->fault, INVALID, "option %s: %s is not a file", g->row->name,
		                 path);
	if (info.st_uid != 0 && info.st_uid != geteuid())
		return fault_set(
		    g->fault, REFUSED,
		    "option %s: the secret %s belongs to user %u, neither root nor this "
		    "one (%u)",
		    g->row->name, path, (unsigned)info.st_uid, (unsigned)geteuid());
	if (info.st_mode & (S_IWGRP | S_IRWXO))
		return fault_set(
		    g->fault, REFUSED,
		    "option %s: the secret %s is open to others (mode %04o): chmod 0600",
		    g->row->name, path, (unsigned)(info.st_mode & 07777));
	return OK;
}

static enum status
read_secret_file(const struct given *g, const char *path, char **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum status st;
	struct buf text;

	if (fd < 0)
		return fault_errno(g->fault, errno, "option %s: cannot open the secret %s",
		                   g->row->name, path);
	buf_init(&text);
	st = check_secret_file(fd, g, path);
	if (st == OK)
		st = stage_file_read(fd, path, &text, g->fault);
	close(fd);
	if (st == OK && text.len > SECRET_MOST)
		st = fault_set(g->fault, LIMIT, "option %s: the secret %s is larger than 64 KiB",
		               g->row->name, path);
	if (st == OK && memchr(text.data, '\0', text.len))
		st = fault_set(g->fault, INVALID, "option %s: the secret %s holds a NUL byte",
		               g->row->name, path);
	if (st == OK) {
		if (text.len > 0 && text.data[text.len - 1] == '\n')
			text.data[--text.len] = '\0';
		if (text.len == 0)
			st = fault_set(g->fault, INVALID, "option %s: the secret %s is empty",
			               g->row->name, path);
		else
			*ret = mem_dup(text.data);
	}
	if (text.data)
		explicit_bzero(text.data, text.len);
	buf_done(&text);
	return st;
}

static enum status
read_secret(const struct given *g, bool secrets, struct option_value *ret)
{
	char *path;
	enum status st = OK;

	if (g->line && g->line->type != CONFIG_T_STRING)
		return wrong_type(g, "the path of a file in quotes");
	path = absolute(g);
	if (*path && secrets)
		st = read_secret_file(g, path, &ret->text);
	else
		ret->text = mem_dup("");
	free(path);
	return st;
}

static enum status
read_value(const struct given *g, bool secrets, struct option_value *ret)
{
	switch (g->row->type) {
	case PS_TYPE_BOOL: return read_bool(g, ret);
	case PS_TYPE_INT: return read_int(g, ret);
	case PS_TYPE_FLOAT: return read_number(g, ret);
	case PS_TYPE_STRING: return read_string(g, ret);
	case PS_TYPE_ENUM: return read_enum(g, ret);
	case PS_TYPE_DURATION: return read_duration(g, ret);
	case PS_TYPE_SIZE: return read_size(g, ret);
	case PS_TYPE_LIST: return read_list(g, ret);
	case PS_TYPE_PATH: return read_path(g, ret);
	case PS_TYPE_SECRET: return read_secret(g, secrets, ret);
	default:
		return fault_set(g->fault, INVALID, "option %s has type %u, unknown to this host",
		                 g->row->name, g->row->type);
	}
}

enum status
option_read(const struct ps_option *row, const struct config_option *line, bool secrets,
            struct option_value *ret, struct fault *fault)
{
	struct given g = { .row = row, .line = line, .fault = fault };
	enum status st;

	memset(ret, 0, sizeof *ret);
	if (!line && (row->flags & PS_OPTION_REQUIRED))
		return fault_set(fault, INVALID, "option %s is missing: %s", row->name,
		                 row->help ? row->help : "it has no default");
	if (line && line->type == CONFIG_T_STRING)
		g.text = line->string;
	else if (!line)
		g.text = row->fallback ? row->fallback : "";
	st = read_value(&g, secrets, ret);
	if (st == OK)
		return OK;
	if (line && fault)
		fault_where(fault, "%s:%d", line->file ? line->file : "command line", line->line);
	option_value_done(ret);
	return st;
}

void
option_value_done(struct option_value *value)
{
	if (value->text)
		explicit_bzero(value->text, strlen(value->text)); /* it may be a secret */
	free(value->text);
	stage_split_free(value->list.items, value->list.n);
	memset(value, 0, sizeof *value);
}

/* ---- all of a stage ---- */

static const struct config_option *
find_line(const struct config_stage *stage, const char *name)
{
	for (size_t i = 0; i < stage->n_options; i++)
		if (strcmp(stage->options[i].name, name) == 0)
			return &stage->options[i];
	return NULL;
}

/* A problem without a place of its own, such as a missing option, is one of the stage. */
static void
report_problem(struct buf *report, struct fault *fault, const struct config_stage *stage)
{
	if (!fault->where[0] && stage->file)
		fault_where(fault, "%s:%d", stage->file, stage->line);
	if (!report)
		return;
	buf_printf(report, "%s%s%s", fault->where, fault->where[0] ? ": " : "", fault->text);
	if (fault->hint[0])
		buf_printf(report, "; %s", fault->hint);
	buf_addc(report, '\n');
}

static bool
known(const struct ps_option *rows, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].name, name) == 0)
			return true;
	return false;
}

static void
unknown_option(const char *plugin, const struct ps_option *rows, size_t n,
               const struct config_option *line, struct fault *fault)
{
	const char **names = mem_array(NULL, n + 1, sizeof *names);
	const char *nearest;

	for (size_t i = 0; i < n; i++)
		names[i] = rows[i].name;
	nearest = text_nearest(line->name, names, n);
	fault_set(fault, INVALID, "the plugin %s has no option '%s'", plugin, line->name);
	fault_where(fault, "%s:%d", line->file ? line->file : "command line", line->line);
	if (nearest)
		fault_hint(fault, "did you mean '%s'?", nearest);
	free(names);
}

size_t
options_check(const char *plugin, const struct ps_option *rows, size_t n,
              const struct config_stage *stage, bool secrets, struct buf *report,
              struct fault *fault)
{
	size_t problems = 0;

	for (size_t i = 0; i < stage->n_options; i++) {
		struct fault one = { 0 };

		if (known(rows, n, stage->options[i].name))
			continue;
		unknown_option(plugin, rows, n, &stage->options[i], &one);
		report_problem(report, &one, stage);
		if (problems++ == 0 && fault)
			*fault = one;
	}
	for (size_t i = 0; i < n; i++) {
		struct option_value value;
		struct fault one = { 0 };

		if (option_read(&rows[i], find_line(stage, rows[i].name), secrets, &value, &one) ==
		    OK) {
			option_value_done(&value);
			continue;
		}
		report_problem(report, &one, stage);
		if (problems++ == 0 && fault)
			*fault = one;
	}
	return problems;
}

static void
store(const struct ps_option *row, const struct option_value *value, char *to)
{
	struct ps_list list = { (const char *const *)value->list.items, value->list.n };

	switch (row->type) {
	case PS_TYPE_BOOL: memcpy(to, &value->boolean, sizeof value->boolean); break;
	case PS_TYPE_FLOAT: memcpy(to, &value->number, sizeof value->number); break;
	case PS_TYPE_LIST: memcpy(to, &list, sizeof list); break;
	case PS_TYPE_STRING:
	case PS_TYPE_PATH:
	case PS_TYPE_SECRET: memcpy(to, &value->text, sizeof value->text); break;
	default: memcpy(to, &value->integer, sizeof value->integer);
	}
}

size_t
option_size(uint32_t type)
{
	switch (type) {
	case PS_TYPE_BOOL: return sizeof(bool);
	case PS_TYPE_LIST: return sizeof(struct ps_list);
	default: return 8;
	}
}

enum status
options_fill(const struct ps_option *rows, size_t n, size_t size, const struct config_stage *stage,
             void **ret_options, struct option_value **ret_keep, struct fault *fault)
{
	char *options = mem_alloc(size ? size : 1);
	struct option_value *keep = mem_alloc((n + 1) * sizeof *keep);
	enum status st = OK;
	size_t i;

	for (i = 0; i < n && st == OK; i++) {
		st = option_read(&rows[i], find_line(stage, rows[i].name), true, &keep[i], fault);
		if (st == OK)
			store(&rows[i], &keep[i], options + rows[i].offset);
	}
	if (st != OK) {
		while (i-- > 0)
			option_value_done(&keep[i]);
		free(keep);
		free(options);
		return st;
	}
	*ret_options = options;
	*ret_keep = keep;
	return OK;
}
