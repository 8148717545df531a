/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_plot.c - results of the load generator as a drawing (SVG).
 *
 * Panels below one another over one axis of x. What is drawn is what was
 * measured: lines break where there is nothing, and a logarithmic scale shows
 * whole steps of 1, 2 and 5. Needs no script and no font of its own.
 */
#include "load/load.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 860.0
#define LEFT 84.0
#define RIGHT 130.0
#define TOP 46.0
#define PANEL 210.0
#define GAP 34.0
#define BOTTOM 48.0
#define TICKS 6

/* Where values go on paper. */
struct scale {
	double from, to, at, length; /* at: of `from`; length may be negative, upwards */
	bool log;
};

static double
place(const struct scale *s, double v)
{
	double share;

	if (s->log)
		share = log(fmax(v, s->from) / s->from) / log(s->to / s->from);
	else
		share = (v - s->from) / (s->to - s->from);
	return s->at + s->length * fmin(fmax(share, 0), 1);
}

/* 1, 2 or 5 times a power of ten: the largest one that is at most v, or the next one above. */
static double
round_step(double v, bool up)
{
	static const double steps[] = { 1, 2, 5, 10 };
	double power = pow(10, floor(log10(v) + 1e-9)), best = steps[0];

	for (size_t i = 0; i < countof(steps); i++) {
		if (up && steps[i] * power >= v * (1 - 1e-9))
			return steps[i] * power;
		if (steps[i] * power <= v * (1 + 1e-9))
			best = steps[i];
	}
	return best * power;
}

static double
next_step(double v)
{
	return round_step(v * 1.5, true);
}

/* Of a linear scale. */
static double
step_of(double length)
{
	return round_step(length / TICKS, true);
}

static void
add_text(struct buf *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&': buf_adds(out, "&amp;"); break;
		case '<': buf_adds(out, "&lt;"); break;
		case '>': buf_adds(out, "&gt;"); break;
		case '"': buf_adds(out, "&quot;"); break;
		default: buf_addc(out, *text);
		}
}

static void
add_label(struct buf *out, double x, double y, const char *anchor, const char *text)
{
	buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	add_text(out, text);
	buf_adds(out, "</text>\n");
}

static const char *
value_text(const struct load_panel *p, double v, char text[32])
{
	if (p->seconds)
		return text_ns((int64_t)(v * 1e9 + 0.5), text);
	snprintf(text, 32, "%g", v);
	return text;
}

/* ---- axes ---- */

static bool
drawable(const struct load_panel *p, double v)
{
	return isfinite(v) && (!p->log || v > 0);
}

static void
range_of(const struct load_panel *p, double *ret_least, double *ret_most)
{
	*ret_least = INFINITY;
	*ret_most = 0;
	for (size_t i = 0; i < p->n_series; i++)
		for (size_t k = 0; k < p->series[i].n; k++) {
			double v = p->series[i].y[k];

			if (!drawable(p, v))
				continue;
			*ret_least = fmin(*ret_least, v);
			*ret_most = fmax(*ret_most, v);
		}
}

static struct scale
scale_of(const struct load_panel *p, double bottom)
{
	struct scale s = { .to = 1, .at = bottom, .length = -PANEL, .log = p->log };
	double least, most;

	range_of(p, &least, &most);
	if (most <= 0)
		s.log = false; /* nothing to draw */
	else if (p->log)
		s.from = round_step(least, false);
	if (most > 0 && s.log)
		s.to = round_step(most, true);
	else if (most > 0)
		s.to = ceil(most / step_of(most) - 1e-9) * step_of(most);
	if (s.log && s.to <= s.from)
		s.to = next_step(s.from);
	return s;
}

static void
add_line(struct buf *out, double y, const struct scale *x)
{
	buf_printf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n",
	           x->at, y, x->at + x->length, y);
}

/* On a logarithmic scale of many decades only the powers of ten have room. */
static bool
has_room(const struct scale *s, double v)
{
	double decades = log10(s->to / s->from);

	return decades <= 2.5 || fabs(log10(v) - round(log10(v))) < 1e-6;
}

static void
add_ticks(struct buf *out, const struct load_panel *p, const struct scale *y, const struct scale *x)
{
	double step = step_of(y->to - y->from);
	char text[32];

	for (double v = y->from; v <= y->to * (1 + 1e-9); v = y->log ? next_step(v) : v + step) {
		if (y->log && !has_room(y, v))
			continue;
		add_line(out, place(y, v), x);
		add_label(out, x->at - 8, place(y, v) + 4, "end", value_text(p, v, text));
	}
}

static void
add_axis_x(struct buf *out, const struct load_plot *plot, const struct scale *x, double bottom)
{
	double step = step_of(x->to - x->from);
	char text[32];

	for (double v = x->from; v <= x->to * (1 + 1e-9); v += step) {
		buf_printf(out,
		           "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
		           "stroke=\"#444\"/>\n",
		           place(x, v), bottom, place(x, v), bottom + 4);
		snprintf(text, sizeof text, "%g", v);
		add_label(out, place(x, v), bottom + 18, "middle", text);
	}
	add_label(out, x->at + x->length / 2, bottom + 36, "middle", plot->x_label);
}

/* ---- series ---- */

/* Every stretch without a hole is a line, and a point alone a dot. */
static void
add_series(struct buf *out, const struct load_panel *p, const struct load_series *s,
           const struct scale *x, const struct scale *y)
{
	bool open = false;

	for (size_t k = 0; k < s->n; k++) {
		if (!drawable(p, s->y[k])) {
			buf_adds(out, open ? "\"/>\n" : "");
			open = false;
			continue;
		}
		if (!open)
			buf_printf(out,
			           "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\" "
			           "stroke-linejoin=\"round\" stroke-linecap=\"round\"%s points=\"",
			           s->colour, s->dashed ? " stroke-dasharray=\"2 5\"" : "");
		/* a line of one point has no length: twice the same makes a dot */
		if (!open)
			buf_printf(out, "%.1f,%.1f ", place(x, s->x[k]), place(y, s->y[k]));
		buf_printf(out, "%.1f,%.1f ", place(x, s->x[k]), place(y, s->y[k]));
		open = true;
	}
	buf_adds(out, open ? "\"/>\n" : "");
	if (!s->dots)
		return;
	for (size_t k = 0; k < s->n; k++)
		if (drawable(p, s->y[k]))
			buf_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
			           place(x, s->x[k]), place(y, s->y[k]), s->colour);
}

static void
add_key(struct buf *out, const struct load_panel *p, double x, double top)
{
	for (size_t i = 0; i < p->n_series; i++) {
		double y = top + 10 + 18 * (double)i;

		buf_printf(out,
		           "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
		           "stroke-width=\"2.5\"%s/>\n",
		           x, y, x + 20, y, p->series[i].colour,
		           p->series[i].dashed ? " stroke-dasharray=\"2 5\"" : "");
		add_label(out, x + 26, y + 4, "start", p->series[i].name);
	}
}

static void
add_panel(struct buf *out, const struct load_panel *p, const struct scale *x, double top)
{
	struct scale y = scale_of(p, top + PANEL);

	add_ticks(out, p, &y, x);
	buf_adds(out, "<g font-weight=\"bold\">");
	add_label(out, x->at, top - 8, "start", p->name);
	buf_adds(out, "</g>\n");
	for (size_t i = 0; i < p->n_series; i++)
		add_series(out, p, &p->series[i], x, &y);
	add_key(out, p, x->at + x->length + 14, top);
}

/* ---- the drawing ---- */

static struct scale
scale_x(const struct load_plot *plot)
{
	struct scale s = { .to = 0, .at = LEFT, .length = WIDTH - LEFT - RIGHT };

	for (size_t i = 0; i < plot->n_panels; i++)
		for (size_t k = 0; k < plot->panels[i].n_series; k++) {
			const struct load_series *series = &plot->panels[i].series[k];

			for (size_t j = 0; j < series->n; j++)
				s.to = fmax(s.to, series->x[j]);
		}
	s.to = s.to > 0 ? s.to : 1;
	return s;
}

void
load_plot(const struct load_plot *plot, struct buf *out)
{
	struct scale x = scale_x(plot);
	double height = TOP + (double)plot->n_panels * (PANEL + GAP) - GAP + BOTTOM;

	buf_printf(out,
	           "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
	           "viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" font-size=\"12\" "
	           "fill=\"#222\">\n<title>",
	           WIDTH, height, WIDTH, height);
	add_text(out, plot->title);
	buf_adds(out, "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
	add_label(out, 12, 18, "start", plot->title);
	for (size_t i = 0; i < plot->n_panels; i++)
		add_panel(out, &plot->panels[i], &x, TOP + (double)i * (PANEL + GAP));
	add_axis_x(out, plot, &x, height - BOTTOM);
	buf_adds(out, "</svg>\n");
}

/* ---- a run over its time ---- */

enum { P50, P90, P99, STARTED, ENDED, LINES };

void
load_timeline_plot(const struct load_timeline *t, const char *title, struct buf *out)
{
	static const double at[] = { 0.5, 0.9, 0.99 };
	double *y[LINES], *x = mem_array(NULL, t->n + 1, sizeof *x);
	double width = (double)t->width_ns / 1e9;

	for (size_t i = 0; i < LINES; i++)
		y[i] = mem_array(NULL, t->n + 1, sizeof **y);
	for (size_t k = 0; k < t->n; k++) {
		const struct load_slice *s = &t->slice[k];

		x[k] = ((double)k + 0.5) * width;
		for (size_t i = P50; i <= P99; i++)
			y[i][k] = s->time.n ? histogram_quantile(&s->time, at[i]) / 1e9 : NAN;
		y[STARTED][k] = (double)s->started / width;
		y[ENDED][k] = (double)s->ended / width;
	}
	{
		const struct load_series times[] = {
			{ .name = "p50", .colour = "#0072b2", .x = x, .y = y[P50], .n = t->n },
			{ .name = "p90", .colour = "#e69f00", .x = x, .y = y[P90], .n = t->n },
			{ .name = "p99", .colour = "#d55e00", .x = x, .y = y[P99], .n = t->n },
		};
		const struct load_series rates[] = {
			{ .name = "ended", .colour = "#009e73", .x = x, .y = y[ENDED], .n = t->n },
			{ .name = "intended",
			  .colour = "#666",
			  .dashed = true,
			  .x = x,
			  .y = y[STARTED],
			  .n = t->n },
		};
		const struct load_panel panels[] = {
			{ .name = "latency, by intended start",
			  .seconds = true,
			  .log = true,
			  .series = times,
			  .n_series = countof(times) },
			{ .name = "jobs a second", .series = rates, .n_series = countof(rates) },
		};

		load_plot(&(struct load_plot){ .title = title,
		                               .x_label = "seconds since the first job",
		                               .panels = panels,
		                               .n_panels = countof(panels) },
		          out);
	}
	for (size_t i = 0; i < LINES; i++)
		free(y[i]);
	free(x);
}
