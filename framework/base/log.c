/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c - one line an event, as text or as JSON, one write(2) each.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

static struct {
	int fd;
	enum log_level least;
	enum log_format format;
	const uint32_t *shared; /* the least level, instead; NULL: not shared */
} sink = { .fd = STDERR_FILENO, .least = LOG_INFO, .format = LOG_TEXT };

static const char *const level_names[] = { "debug", "info", "warning", "error" };

void
log_open(int fd, enum log_level least, enum log_format format)
{
	sink.fd = fd;
	sink.least = least;
	sink.format = format;
	sink.shared = NULL;
}

void
log_follow(const uint32_t *least)
{
	sink.shared = least;
}

const char *
log_level_name(enum log_level level)
{
	return level_names[level];
}

bool
log_level_of(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < countof(level_names); i++)
		if (strcmp(name, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	return false;
}

bool
log_enabled(enum log_level level)
{
	if (sink.shared)
		return (uint32_t)level >= __atomic_load_n(sink.shared, __ATOMIC_RELAXED);
	return level >= sink.least;
}

static void
add_time(struct buf *line)
{
	int64_t now = clock_wall();
	time_t seconds = (time_t)(now / SEC);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	buf_printf(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
	           tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now % SEC / MSEC));
}

static bool
plain(const char *value)
{
	for (const unsigned char *c = (const unsigned char *)value; *c; c++)
		if (*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f)
			return false;
	return *value != '\0' && text_utf8(value, strlen(value)) == strlen(value);
}

static void
add_pair(struct buf *line, const char *name, const char *value)
{
	if (sink.format == LOG_JSON) {
		buf_addc(line, ',');
		buf_add_json(line, name, strlen(name));
		buf_addc(line, ':');
		buf_add_json(line, value, strlen(value));
		return;
	}
	buf_printf(line, " %s=", name);
	if (plain(value))
		buf_adds(line, value);
	else
		buf_add_json(line, value, strlen(value));
}

static void
begin(struct buf *line, enum log_level level, const char *message)
{
	buf_init(line);
	if (sink.format == LOG_JSON) {
		buf_adds(line, "{\"time\":\"");
		add_time(line);
		buf_printf(line, "\",\"level\":\"%s\",\"message\":", level_names[level]);
		buf_add_json(line, message, strlen(message));
		return;
	}
	add_time(line);
	buf_printf(line, " %-7s %s", level_names[level], message);
}

static void
end(struct buf *line)
{
	if (sink.format == LOG_JSON)
		buf_addc(line, '}');
	buf_addc(line, '\n');
	while (write(sink.fd, line->data, line->len) < 0 && errno == EINTR)
		; /* any other failure is let go: a log that cannot be written must not stop the
		     work */
	buf_done(line);
}

void
log_line(enum log_level level, const char *message, ...)
{
	struct buf line;
	const char *name, *value;
	va_list args;

	if (!log_enabled(level))
		return;
	begin(&line, level, message);
	va_start(args, message);
	while ((name = va_arg(args, const char *))) {
		value = va_arg(args, const char *);
		add_pair(&line, name, value ? value : "");
	}
	va_end(args);
	end(&line);
}

void
log_fault(enum log_level level, const char *message, const struct fault *fault)
{
	const char *const pairs[][2] = {
		{ "reason", fault->text[0] ? fault->text : status_text(fault->status) },
		{ "where", fault->where },
		{ "sqlstate", fault->sqlstate },
		{ "hint", fault->hint },
	};
	struct buf line;

	if (!log_enabled(level))
		return;
	begin(&line, level, message);
	for (size_t i = 0; i < countof(pairs); i++)
		if (pairs[i][1][0])
			add_pair(&line, pairs[i][0], pairs[i][1]);
	end(&line);
}
