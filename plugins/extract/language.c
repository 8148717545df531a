/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * language.c - which language is a text in, by its most frequent words.
 *
 * Enough to choose a stemmer for the search; a document that says its language
 * itself is believed.
 */
#include "extract_priv.h"

#include <ctype.h>
#include <string.h>

#define LOOK 20000   /* bytes */
#define LEAST_HITS 5 /* below: too little to say */

static const struct {
	const char *code, *words; /* words between blanks */
} languages[] = {
	{ "en", " the of and to in is that for with this are be as on not which " },
	{ "de", " der die und das ist von mit den nicht ein eine zu auf werden für dem im " },
	{ "fr", " le la les des et est une dans pour que qui pas sur avec sont du " },
	{ "es", " el la los las de que y en es una por con para del se no " },
	{ "it", " il di che e la per un una non con del della sono gli le " },
	{ "nl", " de het een van en is dat op te voor met niet zijn wordt aan " },
	{ "pt", " o a os as de que e do da em um uma para com não por " },
};

static bool
is_letter(unsigned char c)
{
	return isalpha(c) || c >= 0x80;
}

const char *
language_guess(const char *text, size_t len)
{
	size_t n = sizeof languages / sizeof languages[0], best = 0, second = 0, at = 0;
	unsigned hits[sizeof languages / sizeof languages[0]] = { 0 };
	size_t look = len < LOOK ? len : LOOK;

	for (size_t i = 0; i < look;) {
		char word[16] = " ";
		size_t w = 1;

		while (i < look && !is_letter((unsigned char)text[i]))
			i++;
		for (; i < look && is_letter((unsigned char)text[i]); i++)
			if (w < sizeof word - 2)
				word[w++] = (char)tolower((unsigned char)text[i]);
		if (w == 1 || w == sizeof word - 2)
			continue;
		word[w] = ' ';
		word[w + 1] = '\0';
		for (size_t k = 0; k < n; k++)
			hits[k] += strstr(languages[k].words, word) != NULL;
	}
	for (size_t k = 0; k < n; k++) {
		if (hits[k] > best) {
			second = best;
			best = hits[k];
			at = k;
		} else if (hits[k] > second) {
			second = hits[k];
		}
	}
	return best >= LEAST_HITS && best * 4 > second * 5 ? languages[at].code : "";
}
