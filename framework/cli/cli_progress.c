/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli_progress.c - a bar on stderr for work that takes longer than a second.
 */
#include <string.h>

#include "cli/cli_priv.h"

#define WIDTH 30
#define SILENT_FOR SEC
#define DRAW_EVERY (100 * MSEC)

void
cli_progress_begin(struct cli_progress *p, const struct cli *cli, const char *what)
{
	*p = (struct cli_progress){ .cli = cli, .what = what, .begun = clock_mono() };
}

static void
draw(struct cli_progress *p, int64_t done, int64_t total, int64_t now)
{
	double seconds = (double)(now - p->begun) / 1e9, rate = (double)done / seconds;
	char bar[WIDTH * 4 + 1] = "", n[32], of[32];
	int full = total > 0 ? (int)((double)done / (double)total * WIDTH) : 0;

	for (int i = 0; i < WIDTH; i++)
		strcat(bar, i < full ? "\u2588" : "\u2591");
	if (total > 0)
		fprintf(stderr, "\r\033[K%s %s %s of %s, %.0f/s, %.0f s left", p->what, bar,
		        text_count(done, n), text_count(total, of), rate,
		        rate > 0 ? (double)(total - done) / rate : 0.0);
	else
		fprintf(stderr, "\r\033[K%s %s, %.0f/s", p->what, text_count(done, n), rate);
	fflush(stderr);
}

void
cli_progress_step(struct cli_progress *p, int64_t done, int64_t total)
{
	int64_t now;

	if (!p->cli->progress)
		return;
	now = clock_mono();
	if (now - p->begun < SILENT_FOR || now - p->drawn < DRAW_EVERY)
		return;
	p->drawn = now;
	p->shown = true;
	draw(p, done, total, now);
}

void
cli_progress_end(struct cli_progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
}
