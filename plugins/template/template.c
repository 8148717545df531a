/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * template.c - counts the words of a text.
 *
 * One job after another: this is the easy form. The text is the body, or the
 * attribute `text` where there is no body.
 */
#include <penstock.h>

#include <ctype.h>
#include <string.h>

/* Each becomes a member of struct template_options; a pipeline's file may set it. */
PS_OPTIONS(template, PS_INT(least, 1, 0, 1000000, "texts with fewer words are discarded"),
           PS_ENUM(count, "words", "words|characters", "what is counted"))

/* Kept and shown by the host; template_words is its number. */
PS_COUNTERS(template, PS_COUNTER(words, "words", "counted"))

enum { COUNT_WORDS, COUNT_CHARACTERS };

static int64_t
count_words(const char *text, size_t len)
{
	int64_t n = 0;
	bool inside = false;

	for (size_t i = 0; i < len; i++) {
		bool space = isspace((unsigned char)text[i]) != 0;

		n += !space && !inside;
		inside = !space;
	}
	return n;
}

/* A character of UTF-8 begins with any byte that does not continue one. */
static int64_t
count_characters(const char *text, size_t len)
{
	int64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static enum ps_outcome template(struct ps_call *call, const struct ps_message *in,
                                struct ps_message *out) {
	const struct template_options *opt = ps_options(call, template); size_t len;
	const char *text = ps_body(call, in, &len); int64_t n;

	if (!text && len > 0) /* a large body that could not be fetched: not the job's fault */
	return ps_retry(call, ps_this(call), -1, "NO_BODY", "the body could not be fetched");
	if (!text){ text = ps_get_string(call, in, "text", NULL); len = text ? strlen(text) : 0; }
if (!text) return ps_fail(call, ps_this(call), "NO_TEXT",
                          "there is neither a body nor an attribute `text`");
n = opt->count == COUNT_WORDS ? count_words(text, len) : count_characters(text, len);
if (n < opt->least)
	return ps_discard(
	    call, ps_this(call), "TOO_SHORT",
	    ps_printf(call, "%lld is less than %lld", (long long)n, (long long)opt->least));
ps_set_int(call, out, "count", n);
ps_count(call, template_words, (double)n);
return PS_DONE;
}

PS_STAGE_EACH(template, "0.1.0", "Counts the words of a text", PS_WITH_COUNTERS(template))
