/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plugin_lines.c - jobs and results of `plugin test` as lines of JSON.
 *
 * Attributes go to the stage byte by byte as the file has them. A result has
 * nothing in it that differs from run to run.
 */
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_priv.h"
#include "stage/stage.h"

#define FILE_MOST ((size_t)1 << 30)
#define BODY_MOST ((size_t)64 << 20)
#define SHOWN 60 /* bytes of a value in a difference */

/* ---- lines of a file ---- */

struct reader {
	const char *path;
	struct buf text;
	const char *next;
	int64_t number;
};

static enum status
reader_open(const char *path, struct reader *ret, struct fault *fault)
{
	*ret = (struct reader){ .path = path };
	buf_init(&ret->text);
	if (file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, FILE_MOST, &ret->text, fault) !=
	    OK)
		return fault ? fault->status : INVALID;
	ret->next = ret->text.data ? ret->text.data : "";
	return OK;
}

/* The next line that is not blank; false: there is none. */
static bool
reader_next(struct reader *r, const char **ret, size_t *ret_len)
{
	const char *end = r->text.data ? r->text.data + r->text.len : r->next;

	while (r->next < end) {
		const char *line = r->next, *stop = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((stop ? stop : end) - line);

		r->next = stop ? stop + 1 : end;
		r->number++;
		if (strspn(line, " \t\r") >= len)
			continue;
		*ret = line;
		*ret_len = len;
		return true;
	}
	return false;
}

static enum status
at_line(const struct reader *r, enum status st, struct fault *fault)
{
	if (st != OK)
		fault_where(fault, "%s:%" PRId64, r->path, r->number);
	return st;
}

/* The caller frees with json_decref(). Numbers keep their kind unless `reals`. */
static enum status
parse(const char *line, size_t len, bool reals, json_t **ret, struct fault *fault)
{
	json_error_t error;

	if (json_check_object(line, len, fault) != OK)
		return INVALID;
	*ret = json_loadb(line, len, JSON_ALLOW_NUL | (reals ? JSON_DECODE_INT_AS_REAL : 0),
	                  &error);
	if (!*ret)
		return fault_set(fault, INVALID, "%s", error.text);
	return OK;
}

/* ---- jobs ---- */

static enum status
body_from_file(const char *path, const char *name, struct buf *body, struct fault *fault)
{
	const char *slash = strrchr(path, '/');
	char *full = name[0] == '/' || !slash
	                 ? mem_dup(name)
	                 : mem_printf("%.*s/%s", (int)(slash - path), path, name);
	enum status st = file_read(full, BODY_MOST, body, fault);

	free(full);
	return st;
}

static enum status
body_from_base64(const char *text, size_t len, struct buf *body, struct fault *fault)
{
	size_t n;

	buf_reserve(body, len);
	if (sodium_base642bin((unsigned char *)body->data, len, text, len, " \t", &n, NULL,
	                      sodium_base64_VARIANT_ORIGINAL) != 0)
		return fault_set(fault, INVALID, "body_base64 is no base64");
	body->len = n;
	body->data[n] = '\0';
	return OK;
}

static enum status
read_count(const json_t *value, const char *name, uint32_t *ret, struct fault *fault)
{
	double v = json_number_value(value);

	if (!json_is_number(value) || v < 1 || v > 1000000 || v != (double)(uint32_t)v)
		return fault_set(fault, INVALID, "%s is to be a whole number from 1 to 1000000",
		                 name);
	*ret = (uint32_t)v;
	return OK;
}

static enum status
read_body(struct plugin_line *job, const char *path, const char *name, const json_t *value,
          struct fault *fault)
{
	if (!json_is_string(value))
		return fault_set(fault, INVALID, "%s is to be a string", name);
	if (job->has_body)
		return fault_set(fault, INVALID,
		                 "it has more than one of body, body_base64 and body_file");
	job->has_body = true;
	if (strcmp(name, "body_file") == 0)
		return body_from_file(path, json_string_value(value), &job->body, fault);
	if (strcmp(name, "body_base64") == 0)
		return body_from_base64(json_string_value(value), json_string_length(value),
		                        &job->body, fault);
	buf_add(&job->body, json_string_value(value), json_string_length(value));
	return OK;
}

static enum status
read_member(struct plugin_line *job, const char *path, const char *name, const json_t *value,
            struct fault *fault)
{
	static const char *const names[] = { "attributes", "body",    "body_base64",
		                             "body_file",  "attempt", "max_attempts" };
	const char *nearest;

	if (strcmp(name, "attributes") == 0)
		return OK; /* its bytes are taken, not its value */
	if (strcmp(name, "attempt") == 0)
		return read_count(value, name, &job->attempt, fault);
	if (strcmp(name, "max_attempts") == 0)
		return read_count(value, name, &job->max_attempts, fault);
	if (strncmp(name, "body", 4) == 0 &&
	    (!name[4] || strcmp(name + 4, "_base64") == 0 || strcmp(name + 4, "_file") == 0))
		return read_body(job, path, name, value, fault);
	nearest = text_nearest(name, names, countof(names));
	if (nearest)
		fault_hint(fault, "did you mean `%s`?", nearest);
	return fault_set(fault, INVALID, "a job has no member `%s`", name);
}

static enum status
read_job(const char *path, const char *line, size_t len, struct plugin_line *job,
         struct fault *fault)
{
	const char *name, *attributes = "{}";
	size_t attributes_len = 2;
	json_t *tree, *value;
	enum status st = parse(line, len, true, &tree, fault);

	if (st != OK)
		return st;
	json_object_foreach(tree, name, value) if (st == OK)
	    st = read_member(job, path, name, value, fault);
	json_decref(tree);
	if (st != OK)
		return st;
	attributes_get(line, len, "attributes", &attributes, &attributes_len);
	st = attributes_check(attributes, attributes_len, fault);
	if (st == OK)
		job->attributes = mem_dupn(attributes, attributes_len);
	return st;
}

enum status
plugin_lines_read(const char *path, struct plugin_lines *ret, struct fault *fault)
{
	struct reader r;
	enum status st = reader_open(path, &r, fault);
	const char *line;
	size_t len;

	*ret = (struct plugin_lines){ 0 };
	while (st == OK && reader_next(&r, &line, &len)) {
		struct plugin_line *job;

		ret->line = mem_array(ret->line, ret->n + 1, sizeof *ret->line);
		job = &ret->line[ret->n++];
		*job = (struct plugin_line){ .number = r.number, .attempt = 1, .max_attempts = 5 };
		buf_init(&job->body);
		st = at_line(&r, read_job(path, line, len, job, fault), fault);
	}
	if (st == OK && ret->n == 0)
		st = fault_set(fault, INVALID, "%s has no job in it", path);
	buf_done(&r.text);
	return st;
}

void
plugin_lines_done(struct plugin_lines *lines)
{
	for (size_t i = 0; i < lines->n; i++) {
		free(lines->line[i].attributes);
		buf_done(&lines->line[i].body);
	}
	free(lines->line);
	*lines = (struct plugin_lines){ 0 };
}

/* ---- results ---- */

static void
add_text(struct buf *out, const char *name, const char *text)
{
	if (!text)
		return;
	buf_printf(out, ", \"%s\": ", name);
	buf_add_json(out, text, strlen(text));
}

static void
add_body(struct buf *out, const void *body, size_t len)
{
	size_t most = sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);

	if (!body)
		return;
	if (text_utf8(body, len) == len) {
		buf_adds(out, ", \"body\": ");
		buf_add_json(out, body, len);
		return;
	}
	buf_adds(out, ", \"body_base64\": \"");
	buf_reserve(out, most);
	sodium_bin2base64(out->data + out->len, most, body, len, sodium_base64_VARIANT_ORIGINAL);
	out->len += most - 1;
	buf_addc(out, '"');
}

static void
add_children(struct buf *out, const struct stage_job *job)
{
	const char *comma = "";

	if (!job->children)
		return;
	buf_adds(out, ", \"children\": [");
	for (const struct stage_child *c = job->children; c; c = c->next) {
		buf_printf(out, "%s{\"route\": ", comma);
		buf_add_json(out, c->route, strlen(c->route));
		buf_adds(out, ", \"attributes\": ");
		buf_add(out, c->attributes, c->attributes_len);
		add_body(out, c->body, c->body_len);
		buf_addc(out, '}');
		comma = ", ";
	}
	buf_addc(out, ']');
}

void
plugin_line_result(const struct stage_job *job, int64_t number, struct buf *out)
{
	static const char *const names[] = { "UNSET", "DONE",    "RETRY", "SNOOZE",
		                             "FAIL",  "DISCARD", "LATER", "SPLIT" };
	uint32_t outcome = job->ps.outcome;

	buf_printf(out, "{\"job\": %" PRId64 ", \"outcome\": \"%s\"", number,
	           outcome < countof(names) ? names[outcome] : "?");
	if (outcome == PS_LATER) /* nobody waits for it any more */
		buf_adds(out, ", \"given_up\": true");
	add_text(out, "route", job->ps.route);
	add_text(out, "code", job->ps.code);
	add_text(out, "message", job->ps.message);
	if (outcome == PS_SNOOZE || (outcome == PS_RETRY && job->ps.delay_ms >= 0))
		buf_printf(out, ", \"delay_ms\": %" PRId64, job->ps.delay_ms);
	if (stage_did(outcome)) {
		buf_adds(out, ", \"attributes\": ");
		buf_add(out, job->out.attributes, job->out.attributes_len);
		add_body(out, job->out.body, job->out.body_len);
		add_children(out, job);
	}
	buf_addc(out, '}');
}

/* ---- differences ---- */

struct comparison {
	struct buf *report;
	bool json;
	int64_t job;
	size_t n;
};

/* A value, cut where it is long: for people. */
static void
add_shown(struct buf *out, const json_t *value)
{
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;

	if (!value) {
		buf_adds(out, "nothing");
	} else if (len <= SHOWN) {
		buf_adds(out, text ? text : "?");
	} else {
		for (len = SHOWN; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--;
		buf_printf(out, "%.*s...", (int)len, text);
	}
	free(text);
}

static void
add_json_value(struct buf *out, const json_t *value)
{
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	buf_adds(out, text ? text : "null");
	free(text);
}

/* From a character before the first difference on, when both are long texts. */
static json_t *
tail_of(const json_t *value, size_t from)
{
	return json_stringn(json_string_value(value) + from, json_string_length(value) - from);
}

static size_t
same_bytes(const json_t *a, const json_t *b)
{
	const char *x = json_string_value(a), *y = json_string_value(b);
	size_t n = 0;

	while (x[n] && x[n] == y[n])
		n++;
	while (n > 0 && ((unsigned char)x[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static void
tell(struct comparison *c, const char *at, const json_t *expected, const json_t *found)
{
	bool texts = expected && found && json_is_string(expected) && json_is_string(found);
	size_t same = texts && !c->json ? same_bytes(expected, found) : 0;
	json_t *e = NULL, *f = NULL;

	c->n++;
	if (c->json) {
		buf_printf(c->report, "%s{\"job\": %" PRId64 ", \"at\": ", c->n > 1 ? ", " : "",
		           c->job);
		buf_add_json(c->report, at, strlen(at));
		buf_adds(c->report, ", \"expected\": ");
		add_json_value(c->report, expected);
		buf_adds(c->report, ", \"found\": ");
		add_json_value(c->report, found);
		buf_addc(c->report, '}');
		return;
	}
	buf_printf(c->report, "FAILED  job %" PRId64 ": %s", c->job, at);
	if (same > SHOWN / 2) {
		buf_printf(c->report, ", from byte %zu on", same);
		expected = e = tail_of(expected, same);
		found = f = tail_of(found, same);
	}
	buf_adds(c->report, "\n        expected ");
	add_shown(c->report, expected);
	buf_adds(c->report, "\n        found    ");
	add_shown(c->report, found);
	buf_addc(c->report, '\n');
	json_decref(e);
	json_decref(f);
}

static void differ(struct comparison *c, const char *at, const json_t *expected,
                   const json_t *found);

static void
differ_at(struct comparison *c, const char *at, const char *name, const json_t *expected,
          const json_t *found)
{
	char *path = at[0] ? mem_printf("%s.%s", at, name) : mem_dup(name);

	differ(c, path, expected, found);
	free(path);
}

static void
differ_objects(struct comparison *c, const char *at, const json_t *expected, const json_t *found)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)expected, name, value)
	    differ_at(c, at, name, value, json_object_get(found, name));
	json_object_foreach(
	    (json_t *)(uintptr_t)found, name,
	    value) if (at[0] && !json_object_get(expected, name)) /* the line names what it wants */
	    differ_at(c, at, name, NULL, value);
}

static void
differ_arrays(struct comparison *c, const char *at, const json_t *expected, const json_t *found)
{
	size_t n = json_array_size(expected), m = json_array_size(found);
	char name[24];

	for (size_t i = 0; i < (n > m ? n : m); i++) {
		snprintf(name, sizeof name, "%zu", i);
		differ_at(c, at, name, json_array_get(expected, i), json_array_get(found, i));
	}
}

static void
differ(struct comparison *c, const char *at, const json_t *expected, const json_t *found)
{
	if (json_is_object(expected) && json_is_object(found))
		differ_objects(c, at, expected, found);
	else if (json_is_array(expected) && json_is_array(found))
		differ_arrays(c, at, expected, found);
	else if (json_is_number(expected) && json_is_number(found)
	             ? !json_equal(expected, found) &&
	                   !(json_number_value(expected) == json_number_value(found) &&
	                     (json_is_real(expected) || json_is_real(found)))
	             : !json_equal(expected, found))
		tell(c, at, expected, found);
}

static void
differ_number(struct comparison *c, size_t expected, size_t found)
{
	if (expected == found)
		return;
	c->n++;
	if (c->json)
		buf_printf(
		    c->report,
		    "%s{\"job\": null, \"at\": \"lines\", \"expected\": %zu, \"found\": %zu}",
		    c->n > 1 ? ", " : "", expected, found);
	else
		buf_printf(c->report, "FAILED  expected %zu lines, found %zu jobs\n", expected,
		           found);
}

enum status
plugin_lines_compare(const char *path, const struct buf *results, size_t n, bool json,
                     struct buf *report, size_t *ret_n, struct fault *fault)
{
	struct comparison c = { .report = report, .json = json };
	struct reader r;
	enum status st = reader_open(path, &r, fault);
	const char *line;
	size_t len, lines = 0;

	while (st == OK && reader_next(&r, &line, &len)) {
		json_t *expected = NULL, *found = NULL;

		st = at_line(&r, parse(line, len, false, &expected, fault), fault);
		if (st == OK && lines < n)
			st = parse(results[lines].data, results[lines].len, false, &found, fault);
		c.job = (int64_t)++lines;
		if (st == OK && found)
			differ(&c, "", expected, found);
		json_decref(expected);
		json_decref(found);
	}
	if (st == OK)
		differ_number(&c, lines, n);
	buf_done(&r.text);
	*ret_n = c.n;
	return st;
}
