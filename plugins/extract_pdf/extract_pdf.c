/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * extract_pdf.c - from a PDF's bytes to its text.
 *
 * Poppler reads what a stranger wrote: before it may, the compressed streams
 * are counted; between pages the limits and the host are asked. Within a page
 * nothing can stop it but the stage's timeout.
 */
#include "extract_pdf_priv.h"

#include <penstock.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

PS_OPTIONS(extract_pdf, PS_SIZE(max_text, "16MiB", 1024, 32 << 20, "longer texts are refused"),
           PS_INT(max_pages, 5000, 1, 1000000, "documents with more pages are refused"),
           PS_SIZE(max_unpacked, "512MiB", 1 << 20, (int64_t)16 << 30,
                   "documents whose compressed streams hold more are refused"))

PS_COUNTERS(extract_pdf, PS_COUNTER(pages, "pages", "read"),
            PS_COUNTER(characters, "bytes", "of text that came out"))

/* The header may stand behind some other bytes, as readers agree. */
static bool
is_pdf(const char *bytes, size_t len)
{
	return memmem(bytes, len < 1024 ? len : 1024, "%PDF-", 5) != NULL;
}

/* ---- opening ---- */

static enum ps_outcome
refuse(struct ps_call *call, const GError *error)
{
	if (error && error->domain == POPPLER_ERROR && error->code == POPPLER_ERROR_ENCRYPTED)
		return ps_fail(call, ps_this(call), "ENCRYPTED",
		               "the document cannot be read without its password");
	return ps_fail(call, ps_this(call), "CORRUPT",
	               ps_printf(call, "the document cannot be opened: %s",
	                         error ? error->message : "poppler does not say why"));
}

static enum ps_outcome
check_limits(struct ps_call *call, PopplerDocument *document, int *ret_pages)
{
	const struct extract_pdf_options *opt = ps_options(call, extract_pdf);
	int n = poppler_document_get_n_pages(document);

	*ret_pages = n;
	if (n <= 0)
		return ps_fail(call, ps_this(call), "CORRUPT",
		               "the document is damaged: it has no pages");
	if (n > opt->max_pages)
		return ps_fail(
		    call, ps_this(call), "TOO_MANY_PAGES",
		    ps_printf(call, "%d pages, more than %lld", n, (long long)opt->max_pages));
	return PS_DONE;
}

/* ---- pages ---- */

/* False: there is no such page, though the document counts it. */
static bool
read_page(PopplerDocument *document, int i, struct text *text)
{
	PopplerPage *page = poppler_document_get_page(document, i);
	PopplerRectangle *boxes = NULL;
	guint n = 0;
	char *content;

	if (!page)
		return false;
	content = poppler_page_get_text(page);
	if (content && *content) {
		poppler_page_get_text_layout(page, &boxes, &n);
		text_add_page(text, content, boxes, n);
	}
	g_free(boxes);
	g_free(content);
	g_object_unref(page);
	return true;
}

static enum ps_outcome
read_pages(struct ps_call *call, PopplerDocument *document, int n, struct text *text,
           int *ret_damaged)
{
	const struct extract_pdf_options *opt = ps_options(call, extract_pdf);
	struct ps_job *job = ps_this(call);

	*ret_damaged = 0;
	for (int i = 0; i < n; i++) {
		if (ps_cancelled(call, job))
			return ps_retry(call, job, -1, "GAVE_UP",
			                ps_printf(call, "told to end after %d of %d pages", i, n));
		*ret_damaged += !read_page(document, i, text);
		ps_count(call, extract_pdf_pages, 1);
		ps_progress(call, job, (double)(i + 1) / n, NULL);
		if (text->no_memory)
			return ps_retry(call, job, -1, "NO_MEMORY", "out of memory");
		if (text->full)
			return ps_fail(call, job, "TOO_LARGE",
			               ps_printf(call, "more than %lld bytes of text",
			                         (long long)opt->max_text));
	}
	if (*ret_damaged == n)
		return ps_fail(call, job, "CORRUPT",
		               "the document is damaged: no page can be read");
	if (text->len == 0)
		return ps_discard(call, job, "NO_TEXT",
		                  "there is no text in it: its pages are pictures, or empty");
	return PS_DONE;
}

/* ---- what comes out ---- */

/* What programs write into a title's place when its author wrote none is better than nothing only
 * where there is nothing else. */
static const char *
title_of(struct ps_call *call, PopplerDocument *document, const struct text *text, const char *name)
{
	char *title = poppler_document_get_title(document), *kept = NULL;

	if (title) {
		g_strstrip(title);
		if (*title && strlen(title) <= 500 && g_utf8_validate(title, -1, NULL))
			kept = ps_printf(call, "%s", title);
		g_free(title);
	}
	if (kept && strcasecmp(kept, "untitled") != 0)
		return kept;
	return text->first_heading[0] ? text->first_heading : kept ? kept : name;
}

static void
give(struct ps_call *call, PopplerDocument *document, int pages, int damaged,
     const struct text *text, const char *name, struct ps_message *out)
{
	char *body = ps_alloc(call, text->len + 1);

	memcpy(body, text->bytes, text->len);
	ps_set_body(call, out, body, text->len);
	ps_set_string(call, out, "title", title_of(call, document, text, name));
	ps_set_string(call, out, "language", language_guess(text->bytes, text->len));
	ps_set_string(call, out, "format", "pdf");
	ps_set_int(call, out, "pages", pages);
	if (damaged > 0)
		ps_set_int(call, out, "damaged_pages", damaged);
	ps_count(call, extract_pdf_characters, (double)text->len);
}

static enum ps_outcome
read_document(struct ps_call *call, PopplerDocument *document, const char *name,
              struct ps_message *out)
{
	const struct extract_pdf_options *opt = ps_options(call, extract_pdf);
	int pages, damaged;
	struct text text;
	enum ps_outcome end = check_limits(call, document, &pages);

	if (end != PS_DONE)
		return end;
	text_init(&text, (size_t)opt->max_text);
	end = read_pages(call, document, pages, &text, &damaged);
	if (end == PS_DONE)
		give(call, document, pages, damaged, &text, name, out);
	text_done(&text);
	return end;
}

/* ---- the stage ---- */

static enum ps_outcome
extract_pdf(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const struct extract_pdf_options *opt = ps_options(call, extract_pdf);
	const char *name = ps_get_string(call, in, "name", "");
	struct ps_job *job = ps_this(call);
	PopplerDocument *document;
	GError *error = NULL;
	enum ps_outcome end;
	const char *bytes;
	GBytes *shared;
	size_t len;

	bytes = ps_body(call, in, &len);
	if (!bytes && len > 0)
		return ps_retry(call, job, -1, "NO_BODY", "the body could not be fetched");
	if (len == 0)
		return ps_discard(call, job, "NO_TEXT", "there is no body");
	if (!is_pdf(bytes, len))
		return ps_fail(call, job, "NOT_PDF", "the document is not a PDF");
	if (unpacks_beyond(bytes, len, (size_t)opt->max_unpacked))
		return ps_fail(call, job, "TOO_LARGE",
		               ps_printf(call, "more than %lld bytes when unpacked",
		                         (long long)opt->max_unpacked));
	shared = g_bytes_new_static(bytes, len);
	document = poppler_document_new_from_bytes(shared, NULL, &error);
	end = document ? read_document(call, document, name, out) : refuse(call, error);
	if (document)
		g_object_unref(document);
	g_clear_error(&error);
	g_bytes_unref(shared);
	return end;
}

PS_STAGE_EACH(extract_pdf, "1.0.0", "Gets the text of PDFs, by poppler",
              PS_WITH_COUNTERS(extract_pdf))
