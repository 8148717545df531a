/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c - one line an event, as text, as JSON or as fields of the journal; one
 * write(2) or one datagram each.
 *
 * A log that cannot be written never stops the work. The journal's protocol is
 * "NAME=value" lines, and for a value with a newline its length in between: not
 * worth a library.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

const char *log_journal_socket = "/run/systemd/journal/socket";

static struct {
	int fd;
	enum log_level least;
	enum log_format format;
	const uint32_t *shared; /* the least level, instead; NULL: not shared */
	int journal;            /* socket; -1: none */
} sink = { .fd = STDERR_FILENO, .least = LOG_INFO, .format = LOG_TEXT, .journal = -1 };

static _Thread_local const struct log_about *about;

static const char *const level_names[] = { "debug", "info", "warning", "error" };
static const int level_priority[] = { 7, 6, 4, 3 }; /* of syslog */

static int
open_journal(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(log_journal_socket) >= sizeof at.sun_path)
		return fd;
	strcpy(at.sun_path, log_journal_socket);
	if (connect(fd, (struct sockaddr *)(void *)&at, sizeof at) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void
log_open(int fd, enum log_level least, enum log_format format)
{
	sink.fd = fd;
	sink.least = least;
	sink.format = format;
	sink.shared = NULL;
	if (sink.journal >= 0)
		close(sink.journal);
	sink.journal = format == LOG_JOURNAL ? open_journal() : -1;
}

bool
log_is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat info;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(fd, &info) == 0 && info.st_dev == device && info.st_ino == inode;
}

enum log_format
log_format_of(const char *name, int fd)
{
	static const char *const names[] = { "text", "json", "journal" };

	for (size_t i = 0; i < countof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return (enum log_format)i;
	return log_is_journal(fd) ? LOG_JOURNAL : LOG_TEXT;
}

const struct log_about *
log_about(const struct log_about *now)
{
	const struct log_about *was = about;

	about = now;
	return was;
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

/* ---- one event: its text is written, its fields wait ---- */

#define FIELDS 24u

struct event {
	enum log_level level;
	const char *message;
	struct {
		const char *name, *value;
	} field[FIELDS];
	size_t n;
	char job[24], attempt[16], jobs[16];
};

static void
add_field(struct event *e, const char *name, const char *value)
{
	if (e->n == FIELDS)
		return;
	e->field[e->n].name = name;
	e->field[e->n++].value = value ? value : "";
}

/* What the thread is at, where the line does not say it itself. */
static void
add_known(struct event *e, const char *name, const char *value)
{
	if (!value || !value[0])
		return;
	for (size_t i = 0; i < e->n; i++)
		if (strcmp(e->field[i].name, name) == 0)
			return;
	add_field(e, name, value);
}

static void
add_about(struct event *e)
{
	if (!about)
		return;
	add_known(e, "pipeline", about->pipeline);
	add_known(e, "stage", about->stage);
	add_known(e, "release", about->release);
	if (about->job) {
		snprintf(e->job, sizeof e->job, "%lld", (long long)about->job);
		add_known(e, "job", e->job);
	} else if (about->jobs) {
		snprintf(e->jobs, sizeof e->jobs, "%u", about->jobs);
		add_known(e, "jobs", e->jobs);
	}
	if (about->job && about->attempt) {
		snprintf(e->attempt, sizeof e->attempt, "%u", about->attempt);
		add_known(e, "attempt", e->attempt);
	}
}

static void
add_pair(struct buf *line, const char *name, const char *value, bool json)
{
	if (json) {
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
begin_line(struct buf *line, const struct event *e, bool json)
{
	if (json) {
		buf_adds(line, "{\"time\":\"");
		add_time(line);
		buf_printf(line, "\",\"level\":\"%s\",\"message\":", level_names[e->level]);
		buf_add_json(line, e->message, strlen(e->message));
		return;
	}
	add_time(line);
	buf_printf(line, " %-7s %s", level_names[e->level], e->message);
}

static void
write_line(const struct event *e)
{
	bool json = sink.format == LOG_JSON;
	struct buf line;

	buf_init(&line);
	begin_line(&line, e, json);
	for (size_t i = 0; i < e->n; i++)
		add_pair(&line, e->field[i].name, e->field[i].value, json);
	buf_adds(&line, json ? "}\n" : "\n");
	while (write(sink.fd, line.data, line.len) < 0 && errno == EINTR)
		; /* any other failure is let go: a log that cannot be written must not stop the
		     work */
	buf_done(&line);
}

/* ---- the journal ---- */

static void
add_journal(struct buf *out, const char *prefix, const char *name, const char *value)
{
	uint64_t len = strlen(value);

	buf_adds(out, prefix);
	for (; *name; name++)
		buf_addc(out,
		         isalnum((unsigned char)*name) ? (char)toupper((unsigned char)*name) : '_');
	if (strchr(value, '\n')) {
		buf_addc(out, '\n');
		for (int shift = 0; shift < 64; shift += 8)
			buf_addc(out, (char)(len >> shift));
	} else {
		buf_addc(out, '=');
	}
	buf_add(out, value, len);
	buf_addc(out, '\n');
}

static bool
send_journal(const struct event *e)
{
	struct buf out;
	ssize_t sent;

	if (sink.journal < 0)
		return false;
	buf_init(&out);
	buf_printf(&out, "PRIORITY=%d\nSYSLOG_IDENTIFIER=penstock\n", level_priority[e->level]);
	add_journal(&out, "", "MESSAGE", e->message);
	for (size_t i = 0; i < e->n; i++)
		add_journal(&out, "PENSTOCK_", e->field[i].name, e->field[i].value);
	do
		sent = send(sink.journal, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	buf_done(&out);
	return sent >= 0;
}

static void
tell(struct event *e)
{
	add_about(e);
	if (!send_journal(e))
		write_line(e);
}

/* ---- for all ---- */

void
log_line(enum log_level level, const char *message, ...)
{
	struct event e = { .level = level, .message = message };
	const char *name;
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, message);
	while ((name = va_arg(args, const char *)))
		add_field(&e, name, va_arg(args, const char *));
	va_end(args);
	tell(&e);
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
	struct event e = { .level = level, .message = message };

	if (!log_enabled(level))
		return;
	for (size_t i = 0; i < countof(pairs); i++)
		if (pairs[i][1][0])
			add_field(&e, pairs[i][0], pairs[i][1]);
	tell(&e);
}
