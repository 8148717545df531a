/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_diff.c - what differs between two configurations.
 *
 * Each is laid out as a list of facts, and the lists are compared: text that
 * differs is a change. Knows nothing of a running host. A reload starts new
 * processes, so it takes nearly all: config_is_fixed() says what it does not.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_priv.h"

struct fact {
	const char *pipeline, *stage; /* borrowed from the configuration */
	char *what, *text;
};

struct facts {
	struct fact *list;
	size_t n;
};

/* Takes both texts. */
static void
add(struct facts *facts, const char *pipeline, const char *stage, char *what, char *text)
{
	facts->list = mem_array(facts->list, facts->n + 1, sizeof *facts->list);
	facts->list[facts->n++] = (struct fact){ pipeline, stage, what, text };
}

/* ---- a configuration as facts ---- */

static void
add_settings(struct facts *facts, const struct settings *set)
{
	size_t n;
	const char *const *names = config_setting_names(&n);

	for (size_t i = 0; i < n; i++)
		add(facts, NULL, NULL, mem_dup(names[i]), config_setting_text(set, i));
}

static char *
number(int64_t n)
{
	return mem_printf("%" PRId64, n);
}

/* The first one is the stage itself: without it on the other side the rest is not told. */
static void
add_stage(struct facts *facts, const char *pipeline, const struct config_stage *s)
{
	add(facts, pipeline, s->name, mem_dup("plugin"), config_string_text(s->plugin));
	add(facts, pipeline, s->name, mem_dup("durable"), mem_dup(s->durable ? "true" : "false"));
	add(facts, pipeline, s->name, mem_dup("max_attempts"), number(s->max_attempts));
	add(facts, pipeline, s->name, mem_dup("backoff"), config_duration_text(s->backoff_ns));
	add(facts, pipeline, s->name, mem_dup("backoff_max"),
	    config_duration_text(s->backoff_max_ns));
	if (s->timeout_ns > 0)
		add(facts, pipeline, s->name, mem_dup("timeout"),
		    config_duration_text(s->timeout_ns));
	if (s->max_running > 0)
		add(facts, pipeline, s->name, mem_dup("max_running"), number(s->max_running));
	if (s->rate > 0) {
		add(facts, pipeline, s->name, mem_dup("rate"), mem_printf("%.10g/s", s->rate));
		add(facts, pipeline, s->name, mem_dup("burst"), number(s->burst));
	}
	if (s->max_per_key > 0) {
		add(facts, pipeline, s->name, mem_dup("max_running_per_key"),
		    number(s->max_per_key));
		add(facts, pipeline, s->name, mem_dup("limit_key"),
		    config_string_text(s->limit_key));
	}
	if (s->max_ready > 0) {
		add(facts, pipeline, s->name, mem_dup("max_ready"), number(s->max_ready));
		add(facts, pipeline, s->name, mem_dup("when_full"),
		    mem_dup(s->refuses ? "\"refuse\"" : "\"warn\""));
	}
	if (s->max_lease > 0)
		add(facts, pipeline, s->name, mem_dup("max_lease"), number(s->max_lease));
	for (size_t i = 0; i < s->n_options; i++) {
		struct buf text;

		buf_init(&text);
		config_option_text(&s->options[i], &text);
		add(facts, pipeline, s->name, mem_printf("option %s", s->options[i].name),
		    buf_steal(&text));
	}
	if (s->next)
		add(facts, pipeline, s->name, mem_dup("other routes"), config_string_text(s->next));
	for (size_t i = 0; i < s->n_routes; i++)
		add(facts, pipeline, s->name, mem_printf("route %s", s->routes[i].outcome),
		    config_route_text(&s->routes[i]));
}

static void
add_pipeline(struct facts *facts, const struct config_pipeline *p)
{
	size_t n = p->n_stages - p->n_leaving;
	struct buf names;

	if (n == 0)
		return; /* works off what it has: it is not there any more */
	buf_init(&names);
	for (size_t i = 0; i < n; i++)
		buf_printf(&names, "%s%s", i ? ", " : "", p->stages[i].name);
	add(facts, p->name, NULL, mem_dup("stages"), buf_steal(&names));
	add(facts, p->name, NULL, mem_dup("outputs"),
	    config_string_text(config_outputs_names[p->outputs]));
	for (size_t i = 0; i < n; i++)
		add_stage(facts, p->name, &p->stages[i]);
}

static void
add_schedule(struct facts *facts, const struct config_schedule *s)
{
	struct buf text;

	buf_init(&text);
	buf_add_json(&text, s->cron, strlen(s->cron));
	buf_printf(&text, " %s, %s, priority %" PRId64 ", %s", s->time_zone,
	           config_catch_up_name(s->catch_up), s->priority, s->attributes);
	add(facts, s->pipeline, NULL, mem_printf("schedule %s", s->name), buf_steal(&text));
}

static void
add_config(struct facts *facts, const struct config *config)
{
	add_settings(facts, &config->set);
	for (size_t i = 0; i < config->n_pipelines; i++)
		add_pipeline(facts, &config->pipelines[i]);
	for (size_t i = 0; i < config->n_schedules; i++)
		add_schedule(facts, &config->schedules[i]);
}

/* ---- compared ---- */

static bool
same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static const struct fact *
find(const struct facts *facts, const char *pipeline, const char *stage, const char *what)
{
	for (size_t i = 0; i < facts->n; i++) {
		const struct fact *f = &facts->list[i];

		if (same(f->pipeline, pipeline) && same(f->stage, stage) && same(f->what, what))
			return f;
	}
	return NULL;
}

/* Does the fact go without saying, because what it belongs to is not on the other side at all? */
static bool
implied(const struct fact *f, const struct facts *other)
{
	if (!f->pipeline || (!f->stage && same(f->what, "stages")))
		return false;
	if (!find(other, f->pipeline, NULL, "stages"))
		return true;
	return f->stage && !same(f->what, "plugin") &&
	       !find(other, f->pipeline, f->stage, "plugin");
}

/* Neither a terminal nor a log is the place of a password. */
static const char *
shown(const struct fact *f, const char *text)
{
	if (!text || f->pipeline || strcmp(f->what, "database") != 0)
		return text;
	if (strstr(text, "password") || (strstr(text, "://") && strchr(text, '@')))
		return "(not shown: there may be a password)";
	return text;
}

static void
change(struct config_diff *diff, const struct fact *f, const char *before, const char *after)
{
	diff->changes = mem_array(diff->changes, diff->n + 1, sizeof *diff->changes);
	diff->changes[diff->n++] = (struct config_change){ .pipeline = f->pipeline,
		                                           .stage = f->stage,
		                                           .what = f->what,
		                                           .before = shown(f, before),
		                                           .after = shown(f, after),
		                                           .restart = !f->pipeline &&
		                                                      config_is_fixed(f->what) };
}

void
config_diff(const struct config *before, const struct config *after, struct config_diff *diff)
{
	struct facts *sides = mem_alloc(2 * sizeof *sides);
	struct facts *old = &sides[0], *new = &sides[1];

	*diff = (struct config_diff){ .texts = sides };
	add_config(old, before);
	add_config(new, after);
	for (size_t i = 0; i < old->n; i++) {
		const struct fact *was = &old->list[i];
		const struct fact *is = find(new, was->pipeline, was->stage, was->what);

		if (!is && !implied(was, new))
			change(diff, was, was->text, NULL);
		else if (is && !same(was->text, is->text))
			change(diff, was, was->text, is->text);
	}
	for (size_t i = 0; i < new->n; i++) {
		const struct fact *is = &new->list[i];

		if (!find(old, is->pipeline, is->stage, is->what) && !implied(is, old))
			change(diff, is, NULL, is->text);
	}
}

void
config_diff_done(struct config_diff *diff)
{
	struct facts *sides = diff->texts;

	for (size_t s = 0; s < 2; s++) {
		for (size_t i = 0; i < sides[s].n; i++) {
			free(sides[s].list[i].what);
			free(sides[s].list[i].text);
		}
		free(sides[s].list);
	}
	free(sides);
	free(diff->changes);
}
