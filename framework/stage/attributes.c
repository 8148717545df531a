/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attributes.c - JSON of attributes, read and changed without a tree.
 *
 * attributes_check() reads every byte (base/json.c). The others skip from
 * member to member and take a checked text for granted; given another they may
 * answer nonsense, but never read outside of it. A name that stands twice in
 * an object means its last value, as in PostgreSQL's jsonb, so that a job reads
 * the same whether it came through the database or straight from a stage.
 */
#include "stage/stage_priv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- check ---- */

enum status
attributes_check(const char *json, size_t len, struct fault *fault)
{
	if (len > ATTRIBUTES_MOST)
		return fault_set(fault, LIMIT, "%zu bytes of attributes, more than 1 MiB", len);
	return json_check_object(json, len, fault);
}

enum status
attributes_check_value(const char *json, size_t len, struct fault *fault)
{
	return json_check(json, len, 1, fault);
}

/* ---- skip: from member to member of a checked text ---- */

struct slice {
	const char *p;
	size_t len;
};

struct walk {
	const char *p, *end;
};

static void
walk_space(struct walk *w)
{
	while (w->p < w->end && (unsigned char)*w->p <= ' ')
		w->p++;
}

static bool
walk_char(struct walk *w, char c)
{
	walk_space(w);
	if (w->p >= w->end || *w->p != c)
		return false;
	w->p++;
	return true;
}

/* From the opening quote to behind the closing one: the first that an even number of backslashes
 * precedes. */
static bool
walk_string(struct walk *w)
{
	const char *from = w->p + 1, *p = from;

	while (p < w->end) {
		const char *quote = memchr(p, '"', (size_t)(w->end - p)), *back = quote;

		if (!quote)
			return false;
		while (back > from && back[-1] == '\\')
			back--;
		p = quote + 1;
		if ((quote - back) % 2 == 0) {
			w->p = p;
			return true;
		}
	}
	return false;
}

static bool
walk_nested(struct walk *w)
{
	size_t depth = 0;

	while (w->p < w->end) {
		switch (*w->p) {
		case '"':
			if (!walk_string(w))
				return false;
			continue;
		case '{':
		case '[': depth++; break;
		case '}':
		case ']': depth--; break;
		default: break;
		}
		w->p++;
		if (depth == 0)
			return true;
	}
	return false;
}

static bool
walk_value(struct walk *w, struct slice *ret)
{
	bool good = true;

	walk_space(w);
	if (w->p >= w->end)
		return false;
	ret->p = w->p;
	if (*w->p == '"')
		good = walk_string(w);
	else if (*w->p == '{' || *w->p == '[')
		good = walk_nested(w);
	else
		while (w->p < w->end && (unsigned char)*w->p > ' ' && *w->p != ',' &&
		       *w->p != '}' && *w->p != ']')
			w->p++;
	ret->len = (size_t)(w->p - ret->p);
	return good && ret->len > 0;
}

/* One member: its name with the quotes, and its value. *more is whether another follows. */
static bool
walk_member(struct walk *w, struct slice *ret_name, struct slice *ret_value, bool *more)
{
	walk_space(w);
	if (w->p >= w->end || *w->p != '"' || !walk_value(w, ret_name) || !walk_char(w, ':') ||
	    !walk_value(w, ret_value))
		return false;
	*more = walk_char(w, ',');
	return true;
}

/* ---- strings ---- */

static size_t
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 63));
		to[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 63));
	to[2] = (char)(0x80 | (c >> 6 & 63));
	to[3] = (char)(0x80 | (c & 63));
	return 4;
}

/* *p stands at "\uXXXX" and moves behind it, and behind a second half. */
static uint32_t
unicode_escape(const char **p, const char *end)
{
	int high = end - *p >= 6 ? json_hex4(*p + 2) : -1, low;

	*p += end - *p >= 6 ? 6 : end - *p;
	if (high < 0xd800 || high > 0xdfff)
		return high > 0 ? (uint32_t)high : 0xfffd;
	low = end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u' ? json_hex4(*p + 2) : -1;
	if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return 0xfffd;
	*p += 6;
	return 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

/* Neither escape grows: the output is never longer than the input. */
size_t
attributes_unescape(const char *value, size_t len, char *out)
{
	const char *p = value + 1, *end = value + len - 1;
	size_t n = 0;

	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		size_t plain = slash ? (size_t)(slash - p) : (size_t)(end - p);

		memcpy(out + n, p, plain);
		n += plain;
		p += plain;
		if (!slash)
			break;
		if (end - p >= 2 && p[1] == 'u') {
			n += put_utf8(out + n, unicode_escape(&p, end));
			continue;
		}
		if (end - p >= 2) {
			static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
			const char *known = p[1] ? strchr(from, p[1]) : NULL;

			out[n++] = known ? to[known - from] : p[1];
		}
		p += end - p >= 2 ? 2 : 1;
	}
	return n;
}

static bool
name_is(const struct slice *quoted, const char *name, size_t len)
{
	char small[256], *text;
	bool same;

	if (!memchr(quoted->p, '\\', quoted->len))
		return quoted->len == len + 2 && memcmp(quoted->p + 1, name, len) == 0;
	if (quoted->len > 6 * len + 2)
		return false;
	text = quoted->len <= sizeof small ? small : mem_alloc(quoted->len);
	same = attributes_unescape(quoted->p, quoted->len, text) == len &&
	       memcmp(text, name, len) == 0;
	if (text != small)
		free(text);
	return same;
}

/* ---- get ---- */

static bool
find_member(const struct slice *object, const char *name, size_t len, struct slice *ret)
{
	struct walk w = { object->p + 1, object->p + object->len };
	struct slice member, value;
	bool found = false, more = true;

	while (more && walk_member(&w, &member, &value, &more)) {
		if (name_is(&member, name, len)) {
			*ret = value;
			found = true;
		}
	}
	return found;
}

static bool
find_item(const struct slice *array, const char *index, size_t len, struct slice *ret)
{
	struct walk w = { array->p + 1, array->p + array->len };
	size_t wanted = 0;

	if (len == 0 || len > 9)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (index[i] < '0' || index[i] > '9')
			return false;
		wanted = wanted * 10 + (size_t)(index[i] - '0');
	}
	for (size_t i = 0; walk_value(&w, ret); i++) {
		if (i == wanted)
			return true;
		if (!walk_char(&w, ','))
			return false;
	}
	return false;
}

enum status
attributes_get(const char *json, size_t len, const char *path, const char **ret_value,
               size_t *ret_len)
{
	struct walk w = { json, json + len };
	struct slice at;

	if (!walk_value(&w, &at))
		return NOT_FOUND;
	for (;;) {
		size_t n = strcspn(path, ".");
		struct slice inner;
		bool found = false;

		if (*at.p == '{')
			found = find_member(&at, path, n, &inner);
		else if (*at.p == '[')
			found = find_item(&at, path, n, &inner);
		if (!found)
			return NOT_FOUND;
		at = inner;
		if (path[n] == '\0')
			break;
		path += n + 1;
	}
	*ret_value = at.p;
	*ret_len = at.len;
	return OK;
}

enum status
attributes_member(const char *json, size_t len, const char *name, const char **ret_value,
                  size_t *ret_len)
{
	struct walk w = { json, json + len };
	struct slice object, value;

	walk_space(&w);
	object = (struct slice){ w.p, (size_t)(w.end - w.p) };
	if (object.len == 0 || *object.p != '{' ||
	    !find_member(&object, name, strlen(name), &value))
		return NOT_FOUND;
	*ret_value = value.p;
	*ret_len = value.len;
	return OK;
}

bool
attributes_int(const char *value, size_t len, int64_t *ret)
{
	char small[32], *end;
	double d;
	long long v;

	if (len == 0 || (*value != '-' && (*value < '0' || *value > '9')))
		return false;
	if (len < sizeof small) {
		memcpy(small, value, len);
		small[len] = '\0';
		errno = 0;
		v = strtoll(small, &end, 10);
		if (*end == '\0') {
			if (errno == 0)
				*ret = v;
			return errno == 0;
		}
	}
	d = json_double(value, len); /* 1e3, 2.0 */
	if (!(fabs(d) <= 9007199254740992.0) || floor(d) != d)
		return false;
	*ret = (int64_t)d;
	return true;
}

bool
attributes_double(const char *value, size_t len, double *ret)
{
	if (len == 0 || (*value != '-' && (*value < '0' || *value > '9')))
		return false;
	*ret = json_double(value, len);
	return isfinite(*ret);
}

/* ---- set ---- */

static size_t
put(char *to, const char *bytes, size_t len)
{
	memcpy(to, bytes, len);
	return len;
}

static size_t
quote_char(char c, char *out)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	static const char hex[] = "0123456789abcdef";
	const char *known = strchr(from, c);

	if (known) {
		out[0] = '\\';
		out[1] = to[known - from];
		return 2;
	}
	memcpy(out, "\\u00", 4);
	out[4] = hex[c >> 4 & 15];
	out[5] = hex[c & 15];
	return 6;
}

static size_t
quote_utf8(const char *text, size_t len, char *out)
{
	size_t n = 0, i = 0;

	while (i < len) {
		char c = text[i];

		if (len - i >= 8 && json_plain_word(text + i)) {
			n += put(out + n, text + i, 8);
			i += 8;
			continue;
		}
		if (c == '"' || c == '\\' || (unsigned char)c < 0x20)
			n += quote_char(c, out + n);
		else
			out[n++] = c;
		i++;
	}
	return n;
}

/* Writes a quoted string; what is not UTF-8 becomes U+FFFD. At most 6 bytes for one, and two. */
size_t
attributes_quote(const char *text, size_t len, char *out)
{
	size_t n = 0;

	out[n++] = '"';
	for (size_t i = 0; i < len;) {
		size_t good = text_utf8(text + i, len - i);

		n += quote_utf8(text + i, good, out + n);
		i += good;
		if (i < len) {
			n += put(out + n, "\xef\xbf\xbd", 3);
			i++;
		}
	}
	out[n++] = '"';
	return n;
}

/* `quoted` is the name as JSON: copied in when the member is new. */
static size_t
put_members(struct walk *w, char *to, const char *name, size_t name_len, const struct slice *quoted,
            const struct slice *value)
{
	struct slice member, old;
	bool more = true, placed = value->p == NULL;
	size_t n = 0;

	to[n++] = '{';
	while (more && walk_member(w, &member, &old, &more)) {
		bool ours = name_is(&member, name, name_len);

		if (ours && placed)
			continue;
		if (n > 1)
			n += put(to + n, ", ", 2);
		n += put(to + n, member.p, member.len);
		n += put(to + n, ": ", 2);
		n += ours ? put(to + n, value->p, value->len) : put(to + n, old.p, old.len);
		placed = placed || ours;
	}
	if (!placed) {
		if (n > 1)
			n += put(to + n, ", ", 2);
		n += put(to + n, quoted->p, quoted->len);
		n += put(to + n, ": ", 2);
		n += put(to + n, value->p, value->len);
	}
	to[n++] = '}';
	to[n] = '\0';
	return n;
}

/* A member of n bytes, "a":1, may be written with two more for the looks: hence the doubling. */
static size_t
most_after_set(size_t len, size_t quoted_len, size_t value_len)
{
	return len + len / 2 + quoted_len + value_len + 16;
}

enum status
attributes_set(struct arena *arena, const char *json, size_t len, const char *name,
               const char *value, size_t value_len, const char **ret_json, size_t *ret_len,
               struct fault *fault)
{
	size_t name_len = strlen(name);
	struct walk w = { json, json + len };
	struct slice quoted, new_value = { value, value_len };
	char *quote, *to;
	size_t n;

	if (text_utf8(name, name_len) != name_len)
		return fault_set(fault, INVALID, "the attribute's name is not UTF-8");
	if (value && attributes_check_value(value, value_len, fault) != OK)
		return INVALID;
	if (len + value_len > 2 * ATTRIBUTES_MOST)
		return fault_set(fault, LIMIT, "more than 1 MiB of attributes");
	quote = arena_alloc(arena, 6 * name_len + 2);
	quoted.p = quote;
	quoted.len = attributes_quote(name, name_len, quote);
	to = arena_alloc(arena, most_after_set(len, quoted.len, value_len));
	if (!walk_char(&w, '{'))
		return fault_set(fault, INVALID, "the attributes are not an object");
	n = put_members(&w, to, name, name_len, &quoted, &new_value);
	if (n > ATTRIBUTES_MOST)
		return fault_set(fault, LIMIT, "more than 1 MiB of attributes");
	*ret_json = to;
	*ret_len = n;
	return OK;
}
