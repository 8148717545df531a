/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * answer.c - the question to an endpoint of embeddings, and its answer, as JSON.
 *
 *     {"model": "m", "input": ["one", "two"], "encoding_format": "float"}
 *     {"data": [{"index": 0, "embedding": [0.1, -0.2]}, ...], ...}
 *
 * What the answer says is believed only after each number has been looked at.
 */
#include "embed_http_priv.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
verdict_set(struct verdict *verdict, enum ps_outcome outcome, const char *code, const char *format,
            ...)
{
	va_list args;

	verdict->outcome = outcome;
	verdict->delay_ms = -1;
	snprintf(verdict->code, sizeof verdict->code, "%s", code);
	va_start(args, format);
	vsnprintf(verdict->message, sizeof verdict->message, format, args);
	va_end(args);
}

/* ---- the question ---- */

/* NULL: not UTF-8, or no memory. */
static json_t *
input_text(const struct passage *p)
{
	size_t len = (size_t)p->heading_length + p->length;
	char *text = malloc(len + 2);
	size_t at = 0;
	json_t *json;

	if (!text)
		return NULL;
	if (p->heading_length > 0) {
		memcpy(text, p->heading, p->heading_length);
		text[p->heading_length] = '\n';
		at = (size_t)p->heading_length + 1;
	}
	memcpy(text + at, p->text, p->length);
	json = json_stringn(text, at + p->length);
	free(text);
	return json;
}

char *
question_make(const char *model, const struct passages *p, const uint32_t *index, uint32_t n,
              struct verdict *ret)
{
	json_t *input = json_array();
	json_t *question = json_pack("{s:s, s:s, s:o}", "model", model, "encoding_format", "float",
	                             "input", input);
	char *text;

	for (uint32_t i = 0; question && i < n; i++) {
		struct passage passage = passages_get(p, index[i]);

		if (json_array_append_new(input, input_text(&passage)) == 0)
			continue;
		verdict_set(ret, PS_FAIL, "NOT_UTF8", "passage %u is not UTF-8", index[i]);
		json_decref(question);
		return NULL;
	}
	text = question ? json_dumps(question, JSON_COMPACT) : NULL;
	json_decref(question);
	if (!text)
		verdict_set(ret, PS_RETRY, "NO_MEMORY", "out of memory");
	return text;
}

/* ---- the answer ---- */

static bool
read_vector(const json_t *vector, uint32_t dimensions, unsigned char *out, uint32_t all_n,
            uint32_t passage, struct verdict *ret)
{
	if (!json_is_array(vector)) {
		verdict_set(ret, PS_RETRY, "BAD_ANSWER",
		            "the answer has an entry without a vector");
		return false;
	}
	if (json_array_size(vector) != dimensions) {
		verdict_set(ret, PS_FAIL, "WRONG_DIMENSIONS",
		            "the answer has a vector of %zu numbers, the option dimensions is %u",
		            json_array_size(vector), dimensions);
		return false;
	}
	for (uint32_t d = 0; d < dimensions; d++) {
		const json_t *number = json_array_get(vector, d);
		float v = (float)json_number_value(number);

		if (!json_is_number(number) || !isfinite(v)) {
			verdict_set(ret, PS_RETRY, "BAD_ANSWER",
			            "the answer has a vector with something that is no number");
			return false;
		}
		passages_put_float(out, all_n, (size_t)passage * dimensions + d, v);
	}
	return true;
}

/* The place that an entry names, its own without a name; n when it names no place or one that was
 * seen. */
static uint32_t
place_of(const json_t *entry, uint32_t i, const bool *seen, uint32_t n)
{
	const json_t *named = json_object_get(entry, "index");
	json_int_t at = named ? json_integer_value(named) : (json_int_t)i;

	if ((named && !json_is_integer(named)) || at < 0 || at >= (json_int_t)n || seen[at])
		return n;
	return (uint32_t)at;
}

static bool
read_data(const json_t *data, const uint32_t *index, uint32_t n, uint32_t dimensions,
          unsigned char *out, uint32_t all_n, bool *seen, struct verdict *ret)
{
	if (!json_is_array(data)) {
		verdict_set(ret, PS_RETRY, "BAD_ANSWER", "the answer is JSON without \"data\"");
		return false;
	}
	if (json_array_size(data) != n) {
		verdict_set(ret, PS_RETRY, "WRONG_COUNT", "%u texts were sent, %zu vectors came", n,
		            json_array_size(data));
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		const json_t *entry = json_array_get(data, i);
		uint32_t place = place_of(entry, i, seen, n);

		if (place == n) {
			verdict_set(ret, PS_RETRY, "BAD_ANSWER",
			            "the answer does not give each text its vector");
			return false;
		}
		seen[place] = true;
		if (!read_vector(json_object_get(entry, "embedding"), dimensions, out, all_n,
		                 index[place], ret))
			return false;
	}
	return true;
}

bool
answer_read(const char *text, size_t len, const uint32_t *index, uint32_t n, uint32_t dimensions,
            unsigned char *out, uint32_t all_n, struct verdict *ret)
{
	json_error_t error = { 0 };
	json_t *answer = json_loadb(text ? text : "", len, 0, &error);
	bool *seen = calloc(n, sizeof *seen);
	bool good = false;

	if (!seen)
		verdict_set(ret, PS_RETRY, "NO_MEMORY", "out of memory");
	else if (!answer)
		verdict_set(ret, PS_RETRY, "BAD_JSON", "the answer is not JSON: %.200s",
		            error.text);
	else
		good = read_data(json_object_get(answer, "data"), index, n, dimensions, out, all_n,
		                 seen, ret);
	free(seen);
	json_decref(answer);
	return good;
}
