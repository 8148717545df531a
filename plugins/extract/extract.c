/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * extract.c - from a document's bytes to its text.
 *
 * What a document is, is decided by what it holds and by its name; the type
 * that detect found only rules out what surely is no text.
 */
#include "extract_priv.h"

#include <penstock.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

PS_OPTIONS(extract,
           PS_SIZE(max_text, "16MiB", 1024, 32 << 20, "larger texts are refused, unzipped or not"),
           PS_STRING(fallback_charset, "WINDOWS-1252",
                     "of what is not UTF-8 and does not say what it is"))

PS_COUNTERS(extract, PS_COUNTER(characters, "bytes", "of text that came out"))

enum format { FORMAT_TEXT, FORMAT_HTML, FORMAT_MARKDOWN, FORMAT_MAN };
static const char *const format_names[] = { "text", "html", "markdown", "man" };

/* A document on its way; what it owns is freed at its end. */
struct work {
	const char *bytes;
	size_t len;
	char *unzipped, *converted;
	struct blocks blocks;
	struct found found;
	enum format format;
};

/* ---- what is it? ---- */

static const char *
find_nocase(const char *text, size_t len, const char *what)
{
	size_t n = strlen(what);

	for (size_t i = 0; i + n <= len; i++)
		if (strncasecmp(text + i, what, n) == 0)
			return text + i;
	return NULL;
}

static bool
looks_like_html(const char *text, size_t len)
{
	size_t head = len < 2048 ? len : 2048;

	return find_nocase(text, head, "<!doctype html") || find_nocase(text, head, "<html") ||
	       find_nocase(text, head, "<head>") || find_nocase(text, head, "<body");
}

/* ".TH", ".Dd" or a comment begins a manual page. */
static bool
looks_like_man(const char *text, size_t len)
{
	const char *end = text + (len < 65536 ? len : 65536);

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (end - text > 3 &&
		    (strncmp(text, ".TH", 3) == 0 || strncmp(text, ".Dd", 3) == 0))
			return true;
		if (*text != '.' && *text != '\'' && *text != '\n' && *text != '\r')
			return false;
		text = stop ? stop + 1 : end;
	}
	return false;
}

static bool
ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);

	return n > e && strcasecmp(name + n - e, end) == 0;
}

static enum format
format_of(const struct work *w, const char *name)
{
	char bare[256];
	size_t n = strlen(name);

	if (ends_with(name, ".gz"))
		n -= 3;
	n = n < sizeof bare ? n : sizeof bare - 1;
	memcpy(bare, name, n);
	bare[n] = '\0';
	if (ends_with(bare, ".md") || ends_with(bare, ".markdown"))
		return FORMAT_MARKDOWN;
	if (looks_like_html(w->bytes, w->len))
		return FORMAT_HTML;
	return looks_like_man(w->bytes, w->len) ? FORMAT_MAN : FORMAT_TEXT;
}

/* Types that hold no text for people, whatever their bytes look like. */
static bool
supported(const char *mime)
{
	static const char *const good[] = { "text/",
		                            "application/xhtml",
		                            "application/xml",
		                            "application/gzip",
		                            "application/x-gzip",
		                            "application/octet-stream",
		                            "application/x-wine-extension-ini",
		                            "message/" };

	if (mime[0] == '\0')
		return true;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (strncmp(mime, good[i], strlen(good[i])) == 0)
			return true;
	return false;
}

/* ---- steps ---- */

static enum ps_outcome
unzip(struct ps_call *call, struct work *w, int64_t most)
{
	size_t len;

	if (!unzip_is_gzip(w->bytes, w->len))
		return PS_DONE;
	switch (unzip_all(w->bytes, w->len, (size_t)most, &w->unzipped, &len)) {
	case UNZIP_OK: break;
	case UNZIP_TRUNCATED:
		return ps_fail(call, ps_this(call), "TRUNCATED", "the gzip data ends too early");
	case UNZIP_CORRUPT:
		return ps_fail(call, ps_this(call), "CORRUPT", "the gzip data is damaged");
	case UNZIP_TOO_LARGE:
		return ps_fail(
		    call, ps_this(call), "TOO_LARGE",
		    ps_printf(call, "more than %lld bytes when unzipped", (long long)most));
	default: return ps_retry(call, ps_this(call), -1, "NO_MEMORY", "out of memory");
	}
	w->bytes = w->unzipped;
	w->len = len;
	return PS_DONE;
}

static enum ps_outcome
to_utf8(struct ps_call *call, struct work *w)
{
	const struct extract_options *opt = ps_options(call, extract);
	char *text;
	size_t len;
	bool owned;

	if (charset_is_binary(w->bytes, w->len))
		return ps_fail(call, ps_this(call), "BINARY", "the content is not text");
	if (!charset_to_utf8(w->bytes, w->len, true, opt->fallback_charset, &text, &len, &owned))
		return ps_fail(
		    call, ps_this(call), "CORRUPT",
		    ps_printf(call, "cannot be converted from %s", opt->fallback_charset));
	if (owned)
		w->converted = text;
	w->bytes = text;
	w->len = len;
	return PS_DONE;
}

static enum reading
read_blocks(struct work *w)
{
	switch (w->format) {
	case FORMAT_HTML: return html_read(w->bytes, w->len, &w->blocks, &w->found);
	case FORMAT_MARKDOWN: return markdown_read(w->bytes, w->len, &w->blocks, &w->found);
	case FORMAT_MAN: man_read(w->bytes, w->len, &w->blocks, &w->found); return READ_OK;
	default: blocks_lines(&w->blocks, w->bytes, w->len); return READ_OK;
	}
}

static const char *
title_of(const struct work *w, const char *name)
{
	if (w->found.title[0])
		return w->found.title;
	return w->blocks.first_heading[0] ? w->blocks.first_heading : name;
}

static void
give(struct ps_call *call, struct ps_message *out, const struct work *w, const char *name)
{
	const char *language = w->found.language;
	char *body = ps_alloc(call, w->blocks.len + 1);

	memcpy(body, w->blocks.bytes, w->blocks.len);
	ps_set_body(call, out, body, w->blocks.len);
	ps_set_string(call, out, "title", ps_printf(call, "%s", title_of(w, name)));
	ps_set_string(call, out, "language",
	              language[0] ? ps_printf(call, "%s", language)
	                          : language_guess(w->blocks.bytes, w->blocks.len));
	ps_set_string(call, out, "format", format_names[w->format]);
	ps_count(call, extract_characters, (double)w->blocks.len);
}

static enum ps_outcome
extract_text(struct ps_call *call, struct work *w, const char *name, struct ps_message *out)
{
	const struct extract_options *opt = ps_options(call, extract);
	enum ps_outcome end = unzip(call, w, opt->max_text);

	if (end == PS_DONE)
		end = to_utf8(call, w);
	if (end != PS_DONE)
		return end;
	w->format = format_of(w, name);
	switch (read_blocks(w)) {
	case READ_OK: break;
	case READ_TOO_COMPLEX:
		return ps_fail(call, ps_this(call), "TOO_COMPLEX",
		               "more than a thousand elements are open at once, or one has "
		               "more than a thousand attributes");
	default: return ps_retry(call, ps_this(call), -1, "NO_MEMORY", "out of memory");
	}
	if (w->blocks.full)
		return ps_fail(
		    call, ps_this(call), "TOO_LARGE",
		    ps_printf(call, "more than %lld bytes of text", (long long)opt->max_text));
	if (w->blocks.len == 0)
		return ps_discard(call, ps_this(call), "NO_TEXT", "there is no text in it");
	give(call, out, w, name);
	return PS_DONE;
}

static enum ps_outcome
extract(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const struct extract_options *opt = ps_options(call, extract);
	const char *mime = ps_get_string(call, in, "mime", "");
	const char *name = ps_get_string(call, in, "name", "");
	struct work w = { .bytes = NULL };
	enum ps_outcome end;

	w.bytes = ps_body(call, in, &w.len);
	if (!w.bytes && w.len > 0)
		return ps_retry(call, ps_this(call), -1, "NO_BODY",
		                "the body could not be fetched");
	if (w.len == 0)
		return ps_discard(call, ps_this(call), "NO_TEXT", "there is no body");
	if (!supported(mime))
		return ps_fail(call, ps_this(call), "UNSUPPORTED_TYPE",
		               ps_printf(call, "cannot read %s", mime));
	blocks_init(&w.blocks, (size_t)opt->max_text);
	end = extract_text(call, &w, name, out);
	blocks_done(&w.blocks);
	free(w.unzipped);
	free(w.converted);
	return end;
}

static int
extract_open(const struct ps_open *open, void **ret_instance)
{
	(void)open;
	html_init();
	*ret_instance = NULL;
	return 0;
}

PS_STAGE_EACH(extract, "1.0.0",
              "Gets the text of HTML, Markdown, manual pages and text, also gzipped",
              PS_OPEN(extract_open), PS_WITH_COUNTERS(extract))
