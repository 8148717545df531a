/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * html.c - HTML by gumbo, and Markdown by way of HTML.
 *
 * The tree is walked by its parent links, and its memory is ours: a document
 * nested a million levels deep uses no stack, neither here nor when it ends.
 */
#include "extract_priv.h"

#include <cmark.h>
#include <gumbo.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the tree's memory ----
 *
 * Taken in slabs and given back whole: gumbo asks for some ten small pieces for each
 * element, and all of them live until the walk is over.
 */

#define SLAB ((size_t)64 << 10)
#define ALIGN _Alignof(max_align_t)

struct slab {
	struct slab *next;
	size_t used, room;
	max_align_t bytes[];
};

static struct slab *
add_slab(struct slab **first, size_t room)
{
	struct slab *s = malloc(sizeof *s + room);

	if (!s)
		abort(); /* gumbo knows no way out of this */
	*s = (struct slab){ .next = *first, .room = room };
	*first = s;
	return s;
}

static void *
take(void *userdata, size_t size)
{
	struct slab **first = userdata, *s = *first;
	void *memory;

	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (!s || s->room - s->used < size)
		s = add_slab(first, size > SLAB ? size : SLAB);
	memory = (char *)s->bytes + s->used;
	s->used += size;
	return memory;
}

static void
keep(void *userdata, void *memory)
{
	(void)userdata, (void)memory;
}

static void
give_all(struct slab *first)
{
	while (first) {
		struct slab *next = first->next;

		free(first);
		first = next;
	}
}

/* ---- what an element means ---- */

enum meaning { INLINE, BLOCK, HEADING, ITEM, CELL, LINES, BREAK, SKIP, TITLE };

static bool
is_navigation(const GumboElement *e)
{
	const GumboAttribute *class = gumbo_get_attribute(&e->attributes, "class");
	const GumboAttribute *role = gumbo_get_attribute(&e->attributes, "role");

	return (class && (strcmp(class->value, "navheader") == 0 ||
	                  strcmp(class->value, "navfooter") == 0)) ||
	       (role && strcmp(role->value, "navigation") == 0);
}

static enum meaning
meaning_of(const GumboNode *node)
{
	switch (node->v.element.tag) {
	case GUMBO_TAG_SCRIPT:
	case GUMBO_TAG_STYLE:
	case GUMBO_TAG_NOSCRIPT:
	case GUMBO_TAG_TEMPLATE:
	case GUMBO_TAG_NAV:
	case GUMBO_TAG_SVG:
	case GUMBO_TAG_IFRAME:
	case GUMBO_TAG_OBJECT:
	case GUMBO_TAG_BUTTON:
	case GUMBO_TAG_SELECT: return SKIP;
	case GUMBO_TAG_TITLE: return TITLE;
	case GUMBO_TAG_H1:
	case GUMBO_TAG_H2:
	case GUMBO_TAG_H3:
	case GUMBO_TAG_H4:
	case GUMBO_TAG_H5:
	case GUMBO_TAG_H6: return HEADING;
	case GUMBO_TAG_LI: return ITEM;
	case GUMBO_TAG_TD:
	case GUMBO_TAG_TH: return CELL;
	case GUMBO_TAG_PRE:
	case GUMBO_TAG_TEXTAREA: return LINES;
	case GUMBO_TAG_BR: return BREAK;
	case GUMBO_TAG_P:
	case GUMBO_TAG_DIV:
	case GUMBO_TAG_SECTION:
	case GUMBO_TAG_ARTICLE:
	case GUMBO_TAG_ASIDE:
	case GUMBO_TAG_HEADER:
	case GUMBO_TAG_FOOTER:
	case GUMBO_TAG_MAIN:
	case GUMBO_TAG_UL:
	case GUMBO_TAG_OL:
	case GUMBO_TAG_DL:
	case GUMBO_TAG_DT:
	case GUMBO_TAG_DD:
	case GUMBO_TAG_TABLE:
	case GUMBO_TAG_CAPTION:
	case GUMBO_TAG_TR:
	case GUMBO_TAG_BLOCKQUOTE:
	case GUMBO_TAG_FIGURE:
	case GUMBO_TAG_FIGCAPTION:
	case GUMBO_TAG_ADDRESS:
	case GUMBO_TAG_FORM:
	case GUMBO_TAG_FIELDSET:
	case GUMBO_TAG_HR:
	case GUMBO_TAG_BODY: return is_navigation(&node->v.element) ? SKIP : BLOCK;
	default: return is_navigation(&node->v.element) ? SKIP : INLINE;
	}
}

/* ---- the walk ---- */

struct reader {
	struct blocks *b;
	struct found *found;
	unsigned lines; /* inside so many elements whose lines count */
};

static void
take_title(struct reader *r, const GumboElement *e)
{
	for (unsigned i = 0; i < e->children.length; i++) {
		const GumboNode *child = e->children.data[i];
		size_t at = 0;

		if (child->type != GUMBO_NODE_TEXT || r->found->title[0])
			continue;
		for (const char *p = child->v.text.text; *p && at + 1 < sizeof r->found->title;
		     p++) {
			bool space = strchr(" \t\r\n", *p) != NULL;

			if (!space)
				r->found->title[at++] = *p;
			else if (at > 0 && r->found->title[at - 1] != ' ')
				r->found->title[at++] = ' ';
		}
		while (at > 0 && r->found->title[at - 1] == ' ')
			at--;
		/* not in the middle of a character */
		while (at > 0 && at + 1 == sizeof r->found->title &&
		       ((unsigned char)r->found->title[at - 1] & 0xc0) == 0x80)
			at--;
		r->found->title[at] = '\0';
	}
}

static void
take_language(struct reader *r, const GumboElement *e)
{
	const GumboAttribute *lang = gumbo_get_attribute(&e->attributes, "lang");
	size_t n;

	if (!lang)
		lang = gumbo_get_attribute(&e->attributes, "xml:lang");
	n = lang ? strcspn(lang->value, "-_ ") : 0;
	if (n < 2 || n > 3)
		return;
	for (size_t i = 0; i < n; i++)
		r->found->language[i] = (char)(lang->value[i] | 32);
	r->found->language[n] = '\0';
}

/* False: nothing inside is looked at. */
static bool
enter(struct reader *r, const GumboNode *node)
{
	const GumboElement *e = &node->v.element;

	switch (meaning_of(node)) {
	case SKIP: return false;
	case TITLE: take_title(r, e); return false;
	case HEADING: blocks_heading(r->b, (int)(e->tag - GUMBO_TAG_H1) + 1); break;
	case ITEM:
		blocks_end(r->b);
		blocks_words(r->b, "- ", 2);
		break;
	case LINES:
		blocks_end(r->b);
		r->lines++;
		break;
	case CELL: blocks_words(r->b, " ", 1); break;
	case BREAK: blocks_words(r->b, "\n", 1); break;
	case BLOCK:
		/* a paragraph that begins a list item stays behind its dash */
		if (!(e->tag == GUMBO_TAG_P && node->parent &&
		      node->parent->type == GUMBO_NODE_ELEMENT &&
		      node->parent->v.element.tag == GUMBO_TAG_LI &&
		      node->index_within_parent <= 1))
			blocks_end(r->b);
		break;
	default:
		if (e->tag == GUMBO_TAG_HTML)
			take_language(r, e);
	}
	return true;
}

static void
leave(struct reader *r, const GumboNode *node)
{
	switch (meaning_of(node)) {
	case LINES: r->lines--; /* fall through */
	case HEADING:
	case ITEM:
	case BLOCK: blocks_end(r->b); break;
	case CELL: blocks_words(r->b, " ", 1); break;
	default: break;
	}
}

static void
text(struct reader *r, const GumboNode *node)
{
	const char *s = node->v.text.text;

	if (r->lines > 0)
		blocks_lines(r->b, s, strlen(s));
	else
		blocks_words(r->b, s, strlen(s));
}

static const GumboVector *
children_of(const GumboNode *node)
{
	if (node->type == GUMBO_NODE_DOCUMENT)
		return &node->v.document.children;
	return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE
	           ? &node->v.element.children
	           : NULL;
}

static void
walk(struct reader *r, const GumboNode *root)
{
	const GumboNode *node = root;

	for (;;) {
		const GumboVector *children = children_of(node);
		bool inside = children && children->length > 0;

		if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE ||
		    node->type == GUMBO_NODE_CDATA)
			text(r, node);
		else if (node->type == GUMBO_NODE_ELEMENT && !enter(r, node))
			inside = false;
		else if (node->type == GUMBO_NODE_ELEMENT && !inside)
			leave(r, node);
		if (inside) {
			node = children->data[0];
			continue;
		}
		for (;;) {
			const GumboNode *parent = node->parent;
			size_t next = node->index_within_parent + 1;

			if (node == root || !parent)
				return;
			children = children_of(parent);
			if (next < children->length) {
				node = children->data[next];
				break;
			}
			node = parent;
			if (node->type == GUMBO_NODE_ELEMENT)
				leave(r, node);
		}
	}
}

bool
html_read(const char *html, size_t len, struct blocks *b, struct found *found)
{
	struct reader r = { .b = b, .found = found };
	struct slab *memory = NULL;
	GumboOptions options = kGumboDefaultOptions;
	GumboOutput *tree;

	options.allocator = take;
	options.deallocator = keep;
	options.userdata = &memory;
	options.max_errors = 0;
	tree = gumbo_parse_with_options(&options, html, len);
	if (tree)
		walk(&r, tree->document);
	give_all(memory); /* not gumbo_destroy_output(), which descends as deep as the document */
	return tree != NULL;
}

bool
markdown_read(const char *markdown, size_t len, struct blocks *b, struct found *found)
{
	char *html = cmark_markdown_to_html(markdown, len,
	                                    CMARK_OPT_UNSAFE | CMARK_OPT_VALIDATE_UTF8);
	bool good;

	if (!html)
		return false;
	good = html_read(html, strlen(html), b, found);
	free(html);
	return good;
}
