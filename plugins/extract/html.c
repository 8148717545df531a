/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * html.c - HTML by libxml2, and Markdown by way of HTML.
 *
 * The parser tells of elements and text as it meets them, and no tree is made: a
 * page costs the memory of the elements that are open. Names come in small
 * letters, and what a page forgets to close is closed by the parser.
 *
 * Note: what is quadratic. For an end that fits no element the parser looks at all
 * that are open, and for an attribute at all that the element has already: a page of
 * 16 MiB could take it hours. So both have a limit, far above what people write, and
 * a page beyond it is refused.
 */
#include "extract_priv.h"

#include <cmark.h>
#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- what an element means ---- */

enum meaning { INLINE, BLOCK, PARAGRAPH, HEADING, ITEM, CELL, LINES, BREAK, SKIP, TITLE, ROOT };

static const struct known {
	const char *name;
	enum meaning meaning;
} elements[] = {
	/* by name */
	{ "address", BLOCK },    { "article", BLOCK },    { "aside", BLOCK },
	{ "blockquote", BLOCK }, { "body", BLOCK },       { "br", BREAK },
	{ "button", SKIP },      { "caption", BLOCK },    { "dd", BLOCK },
	{ "div", BLOCK },        { "dl", BLOCK },         { "dt", BLOCK },
	{ "fieldset", BLOCK },   { "figcaption", BLOCK }, { "figure", BLOCK },
	{ "footer", BLOCK },     { "form", BLOCK },       { "h1", HEADING },
	{ "h2", HEADING },       { "h3", HEADING },       { "h4", HEADING },
	{ "h5", HEADING },       { "h6", HEADING },       { "header", BLOCK },
	{ "hr", BLOCK },         { "html", ROOT },        { "iframe", SKIP },
	{ "li", ITEM },          { "main", BLOCK },       { "nav", SKIP },
	{ "noscript", SKIP },    { "object", SKIP },      { "ol", BLOCK },
	{ "p", PARAGRAPH },      { "pre", LINES },        { "script", SKIP },
	{ "section", BLOCK },    { "select", SKIP },      { "style", SKIP },
	{ "svg", SKIP },         { "table", BLOCK },      { "td", CELL },
	{ "template", SKIP },    { "textarea", LINES },   { "th", CELL },
	{ "title", TITLE },      { "tr", BLOCK },         { "ul", BLOCK },
};

static int
by_name(const void *name, const void *element)
{
	return strcmp(name, ((const struct known *)element)->name);
}

static enum meaning
look_up(const char *name)
{
	const struct known *e = bsearch(name, elements, sizeof elements / sizeof elements[0],
	                                sizeof elements[0], by_name);

	return e ? e->meaning : INLINE;
}

/* The value of an attribute, or NULL. */
static const char *
attribute(const xmlChar **attributes, const char *name)
{
	for (; attributes && attributes[0]; attributes += 2)
		if (strcmp((const char *)attributes[0], name) == 0)
			return (const char *)attributes[1];
	return NULL;
}

static bool
is_navigation(const xmlChar **attributes)
{
	const char *class = attribute(attributes, "class");
	const char *role = attribute(attributes, "role");

	return (class && (strcmp(class, "navheader") == 0 || strcmp(class, "navfooter") == 0)) ||
	       (role && strcmp(role, "navigation") == 0);
}

/* ---- reading ---- */

#define MEMORIES 64 /* a power of two */
#define DEPTH_MOST 1000
#define ATTRIBUTES_MOST (11 << 7) /* the parser's room for them grows so, by doubling */

struct reader {
	htmlParserCtxtPtr parser;
	const char *html; /* what the parser has not fetched yet */
	size_t left;
	struct blocks *b;
	struct found *found;
	unsigned char *open; /* the meaning of each open element */
	size_t n_open, open_room;
	size_t skipped; /* nothing is looked at while so many elements are open; 0: none */
	unsigned lines; /* inside so many elements whose lines count */
	bool dash;      /* an item has begun, and nothing of it is written */
	char *kept;     /* a title or lines, until they are whole: text comes in pieces */
	size_t kept_len, kept_room;
	enum reading end;
	/* the parser has each name once: what stands at a place means the same again */
	struct {
		const xmlChar *name;
		enum meaning meaning;
	} memories[MEMORIES];
};

static enum meaning
meaning_of(struct reader *r, const xmlChar *name, const xmlChar **attributes)
{
	uintptr_t place = (uintptr_t)name;
	size_t at = (place ^ place >> 6) % MEMORIES;
	enum meaning meaning;

	if (r->memories[at].name != name) {
		r->memories[at].name = name;
		r->memories[at].meaning = look_up((const char *)name);
	}
	meaning = r->memories[at].meaning;
	return (meaning == INLINE || meaning == BLOCK || meaning == PARAGRAPH) && attributes &&
	               is_navigation(attributes)
	           ? SKIP
	           : meaning;
}

static void *
grown(struct reader *r, void *bytes, size_t *room, size_t least)
{
	size_t more = least * 2 < 256 ? 256 : least * 2;
	void *p = realloc(bytes, more);

	if (!p) {
		r->end = READ_NO_MEMORY;
		return NULL;
	}
	*room = more;
	return p;
}

/* False: the page is not read to its end. */
static bool
push(struct reader *r, enum meaning meaning)
{
	if (r->n_open == DEPTH_MOST) {
		r->end = READ_TOO_COMPLEX;
		xmlStopParser(r->parser);
		return false;
	}
	if (r->n_open == r->open_room) {
		unsigned char *open = grown(r, r->open, &r->open_room, r->n_open + 1);

		if (!open)
			return false;
		r->open = open;
	}
	r->open[r->n_open++] = (unsigned char)meaning;
	return true;
}

static void
keep(struct reader *r, const char *text, size_t len)
{
	if (r->kept_len + len > r->kept_room) {
		char *kept = grown(r, r->kept, &r->kept_room, r->kept_len + len);

		if (!kept)
			return;
		r->kept = kept;
	}
	memcpy(r->kept + r->kept_len, text, len);
	r->kept_len += len;
}

/* Lines that wait are written, and the next text begins a block. */
static void
end_block(struct reader *r)
{
	if (r->lines > 0 && r->kept_len > 0)
		blocks_lines(r->b, r->kept, r->kept_len);
	r->kept_len = 0;
	r->dash = false;
	blocks_end(r->b);
}

static void
take_title(struct reader *r)
{
	char *title = r->found->title;
	size_t at = 0;

	for (size_t i = 0; i < r->kept_len && at + 1 < sizeof r->found->title; i++) {
		bool space = strchr(" \t\r\n", r->kept[i]) != NULL;

		if (!space)
			title[at++] = r->kept[i];
		else if (at > 0 && title[at - 1] != ' ')
			title[at++] = ' ';
	}
	while (at > 0 && title[at - 1] == ' ')
		at--;
	/* not in the middle of a character */
	while (at > 0 && at + 1 == sizeof r->found->title &&
	       ((unsigned char)title[at - 1] & 0xc0) == 0x80)
		at--;
	title[at] = '\0';
	r->kept_len = 0;
}

static void
take_language(struct reader *r, const xmlChar **attributes)
{
	const char *lang = attribute(attributes, "lang");
	size_t n;

	if (!lang)
		lang = attribute(attributes, "xml:lang");
	n = lang ? strcspn(lang, "-_ ") : 0;
	if (n < 2 || n > 3)
		return;
	for (size_t i = 0; i < n; i++)
		r->found->language[i] = (char)(lang[i] | 32);
	r->found->language[n] = '\0';
}

/* ---- what the parser tells ---- */

static void
enter(struct reader *r, enum meaning meaning, const xmlChar *name, const xmlChar **attributes)
{
	switch (meaning) {
	case TITLE:
		if (r->lines == 0)
			break; /* fall through */
	case SKIP: r->skipped = r->n_open; break;
	case HEADING:
		end_block(r);
		blocks_heading(r->b, name[1] - '0');
		break;
	case ITEM:
		end_block(r);
		blocks_words(r->b, "- ", 2);
		r->dash = true;
		break;
	case LINES:
		end_block(r);
		r->lines++;
		break;
	case CELL: blocks_words(r->b, " ", 1); break;
	case BREAK:
		if (r->lines > 0)
			keep(r, "\n", 1);
		else
			blocks_words(r->b, "\n", 1);
		break;
	case PARAGRAPH: /* one that begins a list item stays behind its dash */
		if (!r->dash)
			end_block(r);
		break;
	case BLOCK: end_block(r); break;
	case ROOT: take_language(r, attributes); break;
	case INLINE: break;
	}
}

static void
leave(struct reader *r, enum meaning meaning)
{
	switch (meaning) {
	case TITLE:
		if (!r->found->title[0])
			take_title(r);
		r->kept_len = 0;
		break;
	case HEADING:
	case ITEM:
	case PARAGRAPH:
	case BLOCK: end_block(r); break;
	case LINES:
		end_block(r);
		r->lines--;
		break;
	case CELL: blocks_words(r->b, " ", 1); break;
	default: break;
	}
}

static void
element_begins(void *data, const xmlChar *name, const xmlChar **attributes)
{
	struct reader *r = data;
	enum meaning meaning = r->skipped ? SKIP : meaning_of(r, name, attributes);

	if (push(r, meaning) && !r->skipped)
		enter(r, meaning, name, attributes);
}

static void
element_ends(void *data, const xmlChar *name)
{
	struct reader *r = data;

	(void)name;
	if (r->n_open == 0)
		return;
	if (!r->skipped)
		leave(r, r->open[r->n_open - 1]);
	r->n_open--;
	if (r->n_open < r->skipped)
		r->skipped = 0;
}

static bool
in_title(const struct reader *r)
{
	return r->n_open > 0 && r->open[r->n_open - 1] == TITLE;
}

static void
text(void *data, const xmlChar *bytes, int len)
{
	struct reader *r = data;
	size_t before = r->b->len, n = (size_t)len;
	const char *s = (const char *)bytes;

	if (r->skipped)
		return;
	if (r->lines > 0 || in_title(r)) {
		keep(r, s, n);
		return;
	}
	blocks_words(r->b, s, n);
	r->dash &= r->b->len == before;
}

/* ---- the readers ---- */

void
html_init(void)
{
	xmlInitParser();
}

/* The parser fetches the page bit by bit, so this is the place to look at it when it has stayed in
 * one element for long. For the parser a NUL ends the page; here it is a blank. */
static int
fetch(void *data, char *to, int most)
{
	struct reader *r = data;
	size_t n = r->left < (size_t)most ? r->left : (size_t)most;

	if (r->parser->maxatts > 2 * ATTRIBUTES_MOST) { /* a name and a value each */
		r->end = READ_TOO_COMPLEX;
		return 0;
	}
	memcpy(to, r->html, n);
	for (char *nul = to; (nul = memchr(nul, '\0', n - (size_t)(nul - to))) != NULL;)
		*nul = ' ';
	r->html += n;
	r->left -= n;
	return (int)n;
}

/* Pulled and not pushed: the push parser leaves out what follows </html>. The text is UTF-8 by now,
 * whatever it says of itself and whatever its first bytes look like. */
static void
parse(struct reader *r)
{
	htmlParserCtxtPtr parser = r->parser;
	htmlSAXHandler tell = { .startElement = element_begins,
		                .endElement = element_ends,
		                .characters = text,
		                .ignorableWhitespace = text,
		                .cdataBlock = text };
	htmlSAXHandlerPtr own = parser->sax;

	parser->sax = &tell;
	parser->userData = r;
	parser->encoding = xmlStrdup(BAD_CAST "UTF-8");
	xmlSwitchEncoding(parser, XML_CHAR_ENCODING_UTF8);
	htmlCtxtUseOptions(parser, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
	                               HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
	htmlParseDocument(parser);
	parser->sax = own;
	if (parser->errNo == XML_ERR_NO_MEMORY)
		r->end = READ_NO_MEMORY;
}

/* A parser that fetches from the reader; NULL: out of memory. */
static htmlParserCtxtPtr
parser_of(struct reader *r)
{
	htmlParserCtxtPtr parser = htmlNewParserCtxt();
	xmlParserInputBufferPtr source = parser ? xmlParserInputBufferCreateIO(
	                                              fetch, NULL, r, XML_CHAR_ENCODING_NONE)
	                                        : NULL;
	xmlParserInputPtr input = source
	                              ? xmlNewIOInputStream(parser, source, XML_CHAR_ENCODING_NONE)
	                              : NULL;

	if (input && inputPush(parser, input) >= 0)
		return parser;
	if (input)
		xmlFreeInputStream(input);
	else if (source)
		xmlFreeParserInputBuffer(source);
	if (parser)
		htmlFreeParserCtxt(parser);
	return NULL;
}

enum reading
html_read(const char *html, size_t len, struct blocks *b, struct found *found)
{
	struct reader r = { .html = html, .left = len, .b = b, .found = found, .end = READ_OK };

	if (len == 0)
		return READ_OK;
	r.parser = parser_of(&r);
	if (!r.parser)
		return READ_NO_MEMORY;
	parse(&r);
	xmlFreeDoc(r.parser->myDoc);
	htmlFreeParserCtxt(r.parser);
	free(r.open);
	free(r.kept);
	return r.end;
}

enum reading
markdown_read(const char *markdown, size_t len, struct blocks *b, struct found *found)
{
	char *html = cmark_markdown_to_html(markdown, len,
	                                    CMARK_OPT_UNSAFE | CMARK_OPT_VALIDATE_UTF8);
	enum reading end;

	if (!html)
		return READ_NO_MEMORY;
	end = html_read(html, strlen(html), b, found);
	free(html);
	return end;
}
