/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_file.c - one configuration file parsed by libconfig, and what
 * libconfig lets pass in silence.
 *
 * libconfig 1.5 cuts an integer beyond 32 bits that has no L at its end,
 * takes a group- or world-writable file as it is, and looks for an included
 * file from wherever the process stands; all are refused here, before it
 * parses, in included files too.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config_priv.h"

#define FILE_MOST ((size_t)MiB)
#define INCLUDES_MOST 10 /* of libconfig: beyond that it says it itself */

void
config_problem(struct problems *problems, const char *file, int line, const char *format, ...)
{
	struct buf text;
	va_list args;

	buf_init(&text);
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	if (problems->n++ == 0) {
		fault_set(problems->fault, INVALID, "%s", text.data);
		if (line > 0)
			fault_where(problems->fault, "%s:%d", file, line);
		else
			fault_where(problems->fault, "%s", file);
	}
	if (problems->report && line > 0)
		buf_printf(problems->report, "%s:%d: %s\n", file, line, text.data);
	else if (problems->report)
		buf_printf(problems->report, "%s: %s\n", file, text.data);
	buf_done(&text);
}

const char *
config_suggest(const char *name, const char *const *names, size_t n)
{
	static _Thread_local char text[128];
	const char *near = text_nearest(name, names, n);

	text[0] = '\0';
	if (near)
		snprintf(text, sizeof(text), "; did you mean '%s'?", near);
	return text;
}

/* ---- what libconfig would cut ---- */

/* Past a comment or a string, or the same place when there is none. */
static const char *
skip_quiet(const char *s, int *line)
{
	const char *end = NULL;

	if (*s == '#' || (s[0] == '/' && s[1] == '/'))
		return s + strcspn(s, "\n");
	if (s[0] == '/' && s[1] == '*') {
		end = strstr(s + 2, "*/");
		end = end ? end + 2 : s + strlen(s);
	} else if (*s == '"') {
		for (end = s + 1; *end && *end != '"'; end++)
			if (*end == '\\' && end[1])
				end++;
		end += *end == '"';
	}
	for (; end && s < end; s++)
		*line += *s == '\n';
	return s;
}

static bool
in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-' || c == '+';
}

/* A number at s that libconfig would cut; returns where it ends. */
static const char *
check_integer(const char *path, int line, const char *s, struct problems *problems)
{
	char *end;
	long long value;
	int len;

	errno = 0;
	value = strtoll(s, &end, 0);
	len = (int)(end - s);
	if (*end == '.' || *end == 'e' || *end == 'E')
		return end;
	if (errno)
		config_problem(problems, path, line, "%.*s does not fit into 64 bits", len, s);
	else if (*end == 'L')
		return end;
	else if (value > INT32_MAX)
		config_problem(problems, path, line, "%.*s is larger than 2147483647: write %.*sL",
		               len, s, len, s);
	else if (value < INT32_MIN)
		config_problem(problems, path, line, "%.*s is less than -2147483648: write %.*sL",
		               len, s, len, s);
	return end;
}

static bool
at_number(const char *s)
{
	return isdigit((unsigned char)s[*s == '-' || *s == '+']);
}

static enum status check_source(const char *path, bool strict, unsigned depth, struct fault *fault,
                                struct problems *problems);

/* @include "..." at s: the file must be named so that it is the same one for every reader. */
static void
check_include(const char *path, int line, const char *s, bool strict, unsigned depth,
              struct problems *problems)
{
	struct fault fault = { 0 };
	const char *quote = s + strlen("@include");
	char *name;

	quote += strspn(quote, " \t");
	if (*quote != '"')
		return; /* the parser will say it */
	name = mem_dupn(quote + 1, strcspn(quote + 1, "\"\n"));
	if (name[0] != '/')
		config_problem(problems, path, line, "'%s': an include needs an absolute path",
		               name);
	else if (depth < INCLUDES_MOST &&
	         check_source(name, strict, depth + 1, &fault, problems) != OK)
		config_problem(problems, path, line, "cannot include: %s", fault.text);
	free(name);
}

/* What stands outside of comments and strings. */
static void
scan(const char *path, const char *source, bool strict, unsigned depth, struct problems *problems)
{
	int line = 1;
	char before = ' ';

	for (const char *s = source; *s;) {
		const char *past = skip_quiet(s, &line);

		if (past != s) {
			s = past;
			before = ' ';
			continue;
		}
		if (at_number(s) && !in_word(before)) {
			s = check_integer(path, line, s, problems);
			before = s[-1];
			continue;
		}
		if (strncmp(s, "@include", strlen("@include")) == 0)
			check_include(path, line, s, strict, depth, problems);
		line += *s == '\n';
		before = *s++;
	}
}

static bool
check_writers(const char *path, bool strict, struct problems *problems)
{
	struct stat sb;

	if (stat(path, &sb) != 0)
		return true; /* reading it will say why */
	if (!S_ISREG(sb.st_mode)) {
		config_problem(problems, path, 0, "is not a file");
		return false;
	}
	if (!(sb.st_mode & 022))
		return true;
	if (!strict) {
		log_line(LOG_WARNING, "others may write to a configuration file", "file", path,
		         NULL);
		return true;
	}
	config_problem(problems, path, 0, "others may write to this file (mode %03o): chmod go-w",
	               (unsigned)(sb.st_mode & 0777));
	return false;
}

/* Appends problems of what it could read; fails when it could not. */
static enum status
check_source(const char *path, bool strict, unsigned depth, struct fault *fault,
             struct problems *problems)
{
	struct buf source;
	enum status st;

	if (!check_writers(path, strict, problems))
		return OK;
	buf_init(&source);
	st = file_read(path, FILE_MOST, &source, fault);
	if (st == OK && strlen(source.data) != source.len)
		config_problem(problems, path, 0, "has a NUL byte in it");
	if (st == OK)
		scan(path, source.data, strict, depth, problems);
	buf_done(&source);
	return st;
}

/* What libconfig says, and what it leaves to be guessed. */
static void
report_parse(config_t *parsed, const char *path, struct problems *problems)
{
	const char *file = config_error_file(parsed), *text = config_error_text(parsed);
	bool twice = text && strcmp(text, "duplicate setting name") == 0;

	config_problem(problems, file ? file : path, config_error_line(parsed), "%s%s", text,
	               twice ? "; several pipelines or schedules are a list: "
	                       "pipelines = ( { ... }, { ... } );"
	                     : "");
}

config_t *
config_parse(const char *path, bool strict, struct problems *problems)
{
	struct fault fault = { 0 };
	config_t *parsed;
	size_t had = problems->n;

	if (check_source(path, strict, 0, &fault, problems) != OK)
		config_problem(problems, path, 0, "%s", fault.text);
	if (problems->n > had)
		return NULL;
	parsed = mem_alloc(sizeof(*parsed));
	config_init(parsed);
	if (config_read_file(parsed, path))
		return parsed;
	report_parse(parsed, path, problems);
	config_destroy(parsed);
	free(parsed);
	return NULL;
}
