/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_cron.c - is this a cron expression?
 *
 * The grammar of penstock.cron_parse(), which reads expressions where they
 * are used (framework/sql/api/68_schedule.sql); tests/flow/26 holds one against
 * the other. Here nothing is computed but whether there is any such day.
 */
#include <ctype.h>
#include <string.h>

#include "config/config_priv.h"

#define CRON_MOST 200

static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun",
	                              "jul", "aug", "sep", "oct", "nov", "dec" };
static const char *const weekdays[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

static const struct field {
	const char *what;
	int least, most;
	const char *const *names; /* the first stands for least */
	size_t n_names;
} fields[] = {
	{ "minute", 0, 59, NULL, 0 },
	{ "hour", 0, 23, NULL, 0 },
	{ "day of month", 1, 31, NULL, 0 },
	{ "month", 1, 12, months, countof(months) },
	{ "day of week", 0, 7, weekdays, countof(weekdays) },
};
enum { DAY = 2, MONTH = 3, WEEKDAY = 4 };

static const char *const every[][2] = {
	{ "@hourly", "0 * * * *" },   { "@daily", "0 0 * * *" },   { "@midnight", "0 0 * * *" },
	{ "@weekly", "0 0 * * 0" },   { "@monthly", "0 0 1 * *" }, { "@yearly", "0 0 1 1 *" },
	{ "@annually", "0 0 1 1 *" },
};

/* Three letters, or one or two digits: how many. 0: neither. */
static size_t
word_len(const char *p)
{
	if (isdigit((unsigned char)p[0]))
		return isdigit((unsigned char)p[1]) ? 2 : 1;
	for (size_t i = 0; i < 3; i++)
		if (p[i] < 'a' || p[i] > 'z')
			return 0;
	return 3;
}

static enum status
read_number(const struct field *f, const char *p, size_t len, int *ret, struct fault *fault)
{
	int n = -1;

	if (isdigit((unsigned char)p[0]))
		n = len == 2 ? (p[0] - '0') * 10 + (p[1] - '0') : p[0] - '0';
	for (size_t i = 0; i < f->n_names; i++)
		if (strncmp(f->names[i], p, len) == 0)
			n = f->least + (int)i;
	if (n < f->least || n > f->most)
		return fault_set(fault, INVALID, "cron: %s '%.*s' is not %d to %d", f->what,
		                 (int)len, p, f->least, f->most);
	*ret = n;
	return OK;
}

static enum status
no_part(const struct field *f, const char *field, struct fault *fault)
{
	return fault_set(fault, INVALID,
	                 "cron: %s '%.40s' is no *, number, range, step or list of these", f->what,
	                 field);
}

/* The bounds of a part, without its step: how long they are as text. */
static size_t
bounds_len(const char *part)
{
	size_t len = part[0] == '*' ? 1 : word_len(part), more;

	if (len == 0 || part[0] == '*' || part[len] != '-')
		return len;
	more = word_len(part + len + 1);
	return more ? len + 1 + more : 0;
}

static enum status
read_bounds(const struct field *f, const char *part, bool stepped, int *from, int *to,
            struct fault *fault)
{
	size_t len = word_len(part);
	enum status st;

	*from = f->least;
	*to = f->most;
	if (part[0] == '*')
		return OK;
	st = read_number(f, part, len, from, fault);
	if (st != OK)
		return st;
	if (part[len] == '-')
		return read_number(f, part + len + 1, word_len(part + len + 1), to, fault);
	if (!stepped)
		*to = *from;
	return OK;
}

/* Adds the numbers of one part of a list to the set. */
static enum status
read_part(const struct field *f, const char *field, const char *part, uint64_t *set,
          struct fault *fault)
{
	size_t len = bounds_len(part);
	int from, to, step = 1;
	enum status st;

	if (len == 0 || (part[len] && part[len] != '/'))
		return no_part(f, field, fault);
	if (part[len] == '/') {
		size_t digits = strspn(part + len + 1, "0123456789");

		step = 0;
		for (size_t i = 0; i < digits && digits <= 2; i++)
			step = step * 10 + (part[len + 1 + i] - '0');
		if (step == 0 || part[len + 1 + digits])
			return no_part(f, field, fault);
	}
	st = read_bounds(f, part, part[len] == '/', &from, &to, fault);
	if (st != OK)
		return st;
	if (to < from)
		return fault_set(fault, INVALID, "cron: %s '%.40s' ends before it begins", f->what,
		                 part);
	for (int n = from; n <= to; n += step)
		*set |= UINT64_C(1) << n;
	return OK;
}

/* A field, which is cut into its parts. */
static enum status
read_field(const struct field *f, char *field, uint64_t *set, struct fault *fault)
{
	char whole[CRON_MOST + 1];
	enum status st = OK;

	snprintf(whole, sizeof whole, "%s", field);
	*set = 0;
	for (char *part = field; part && st == OK;) {
		char *comma = strchr(part, ',');

		if (comma)
			*comma = '\0';
		for (char *p = part; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		st = read_part(f, whole, part, set, fault);
		part = comma ? comma + 1 : NULL;
	}
	return st;
}

/* Is there a day that these months have? */
static bool
some_day(uint64_t days, uint64_t of_months)
{
	static const int last[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	for (int m = 1; m <= 12; m++)
		for (int d = 1; d <= last[m - 1]; d++)
			if ((of_months >> m & 1) && (days >> d & 1))
				return true;
	return false;
}

/* Cuts the text into its fields; how many there are, of which at most n are given. */
static size_t
cut(char *text, char **ret, size_t n)
{
	static const char space[] = " \t\n\v\f\r";
	size_t found = 0;

	for (text += strspn(text, space); *text; text += strspn(text, space)) {
		if (found < n)
			ret[found] = text;
		found++;
		text += strcspn(text, space);
		if (*text)
			*text++ = '\0';
	}
	return found;
}

enum status
config_cron_check(const char *cron, struct fault *fault)
{
	char text[CRON_MOST + 1], *field[countof(fields)];
	uint64_t set[countof(fields)];
	bool either_day;
	size_t n;

	if (strlen(cron) > CRON_MOST)
		return fault_set(fault, INVALID, "cron: %zu characters, at most %d", strlen(cron),
		                 CRON_MOST);
	snprintf(text, sizeof text, "%s", cron);
	for (size_t i = 0; i < countof(every); i++)
		if (strcasecmp(cron, every[i][0]) == 0)
			snprintf(text, sizeof text, "%s", every[i][1]);
	n = cut(text, field, countof(field));
	if (n != countof(field))
		return fault_set(fault, INVALID, "cron: '%.40s' has %zu fields, not %zu", cron, n,
		                 countof(field));
	either_day = field[DAY][0] != '*' && field[WEEKDAY][0] != '*';
	for (size_t i = 0; i < countof(fields); i++)
		if (read_field(&fields[i], field[i], &set[i], fault) != OK)
			return INVALID;
	if (!either_day && !some_day(set[DAY], set[MONTH]))
		return fault_set(fault, INVALID, "cron: '%s' names no time in the next 9 years",
		                 cron);
	return OK;
}
