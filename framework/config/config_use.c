/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_use.c - pipelines that are used as stages of others.
 *
 * A use gives way to the stages that it stands for, placed inline under names
 * of their own, "USE.STAGE", before anything else sees the configuration: a
 * lane, a counter, a limit or a profile never knows that there was a use. The
 * dot is in no name that a file can say, so none of them is taken.
 */
#include <stdlib.h>
#include <string.h>

#include "config/config_priv.h"

#define STAGES_MOST 1000
#define NAME_MOST 63 /* as a name that is written, and as counters keep it */

static size_t
index_of(const struct config *config, const struct config_pipeline *p)
{
	return (size_t)(p - config->pipelines);
}

/* ---- is it sound? ---- */

enum colour { NOT_SEEN, ON_THE_WAY, SEEN };

struct walk {
	const struct config *config;
	struct problems *problems;
	enum colour *colours;
	const struct config_pipeline **way;
	size_t n_way;
};

static void
tell_circle(struct walk *w, const struct config_stage *use, const struct config_pipeline *to)
{
	struct buf path;
	size_t i = 0;

	buf_init(&path);
	while (w->way[i] != to)
		i++;
	for (; i < w->n_way; i++)
		buf_printf(&path, "%s -> ", w->way[i]->name);
	config_problem(w->problems, use->file, use->line,
	               "pipelines that use each other in a circle: %s%s",
	               path.data ? path.data : "", to->name);
	buf_done(&path);
}

static void
tell_unknown(struct walk *w, const struct config_stage *use)
{
	const struct config *config = w->config;
	const char **names = mem_array(NULL, config->n_pipelines, sizeof *names);

	for (size_t i = 0; i < config->n_pipelines; i++)
		names[i] = config->pipelines[i].name;
	config_problem(w->problems, use->file, use->line,
	               "%s stands for pipeline '%s', which is not there%s", use->name, use->uses,
	               config_suggest(use->uses, names, config->n_pipelines));
	free(names);
}

/* As deep as there are pipelines, since none is entered twice. */
static void
walk(struct walk *w, const struct config_pipeline *p)
{
	enum colour *colour = &w->colours[index_of(w->config, p)];

	*colour = ON_THE_WAY;
	w->way[w->n_way++] = p;
	for (size_t i = 0; i < p->n_stages; i++) {
		const struct config_stage *use = &p->stages[i];
		const struct config_pipeline *to;

		if (!use->uses)
			continue;
		to = config_find(w->config, use->uses);
		if (!to)
			tell_unknown(w, use);
		else if (w->colours[index_of(w->config, to)] == ON_THE_WAY)
			tell_circle(w, use, to);
		else if (w->colours[index_of(w->config, to)] == NOT_SEEN)
			walk(w, to);
	}
	w->n_way--;
	*colour = SEEN;
}

void
config_check_uses(const struct config *config, struct problems *problems)
{
	struct walk w = { .config = config, .problems = problems };

	w.colours = mem_alloc((config->n_pipelines + 1) * sizeof *w.colours);
	w.way = mem_array(NULL, config->n_pipelines + 1, sizeof *w.way);
	for (size_t i = 0; i < config->n_pipelines; i++)
		if (w.colours[i] == NOT_SEEN)
			walk(&w, &config->pipelines[i]);
	free(w.way);
	free(w.colours);
}

/* ---- stages instead of uses ---- */

/* One pipeline as it becomes. */
struct expansion {
	const struct config *config;
	const struct config_pipeline *into;
	struct problems *problems;
	struct config_stage *stages;
	size_t n;
};

/* One pipeline in it: the one that becomes, or one that is used. */
struct part {
	const struct config_pipeline *pipeline;
	const char *prefix;             /* of its stages' names: "", "clean." */
	const char *end;                /* where its end leads, as a name of the whole */
	const struct config_stage *use; /* NULL: the one that becomes */
	bool durable;                   /* the use says so of its first stage */
	bool branch;                    /* and this of all of them */
	bool follows; /* its end leads to what stands behind it: nobody need say so */
};

/* The name under which a stage of a part begins, in the whole. */
static char *
name_of(const struct expansion *x, const char *prefix, const struct config_stage *stage)
{
	char *name = mem_printf("%s%s", prefix, stage->name), *inner, *deeper;

	if (!stage->uses)
		return name;
	deeper = mem_printf("%s.", name);
	inner = name_of(x, deeper, &config_find(x->config, stage->uses)->stages[0]);
	free(deeper);
	free(name);
	return inner;
}

/* Where a route of a part leads, in the whole. */
static char *
target_of(const struct expansion *x, const struct part *part, const char *to)
{
	if (strcmp(to, "end") == 0)
		return mem_dup(part->end);
	if (strcmp(to, "end:job") == 0)
		return mem_dup("end");
	for (size_t i = 0; i < part->pipeline->n_stages; i++)
		if (strcmp(part->pipeline->stages[i].name, to) == 0)
			return name_of(x, part->prefix, &part->pipeline->stages[i]);
	return mem_dup(to); /* another pipeline, for children */
}

static void
rename_to(const struct expansion *x, const struct part *part, char **name)
{
	char *to = *name ? target_of(x, part, *name) : NULL;

	free(*name);
	*name = to;
}

static void
check_length(const struct expansion *x, const struct part *part, const struct config_stage *stage)
{
	if (strlen(stage->name) > NAME_MOST)
		config_problem(x->problems, part->use->file, part->use->line,
		               "in pipeline %s a stage would be called '%s': more than %d "
		               "characters; use pipeline %s under a shorter name",
		               x->into->name, stage->name, NAME_MOST, part->pipeline->name);
}

static void
place_stage(struct expansion *x, const struct part *part, size_t i)
{
	const struct config_stage *from = &part->pipeline->stages[i];
	bool last = i + 1 == part->pipeline->n_stages;
	struct config_stage *stage;

	x->stages = mem_array(x->stages, x->n + 1, sizeof *x->stages);
	stage = &x->stages[x->n++];
	*stage = config_stage_copy(from);
	free(stage->name);
	stage->name = mem_printf("%s%s", part->prefix, from->name);
	if (part->use)
		stage->from = mem_dup(part->pipeline->name);
	stage->durable |= part->durable && i == 0;
	stage->branch |= part->branch;
	rename_to(x, part, &stage->next);
	for (size_t r = 0; r < stage->n_routes; r++) {
		rename_to(x, part, &stage->routes[r].stage);
		for (size_t k = 0; k < stage->routes[r].n_to; k++)
			rename_to(x, part, &stage->routes[r].to[k]);
	}
	if (last && !part->follows && !stage->next)
		stage->next = mem_dup(part->end);
	check_length(x, part, stage);
}

static void place(struct expansion *x, const struct part *part);

static void
place_use(struct expansion *x, const struct part *part, size_t i)
{
	const struct config_pipeline *p = part->pipeline;
	const struct config_stage *use = &p->stages[i];
	bool last = i + 1 == p->n_stages;
	char *prefix = mem_printf("%s%s.", part->prefix, use->name);
	char *end = use->next ? target_of(x, part, use->next)
	            : last    ? mem_dup(part->end)
	                      : name_of(x, part->prefix, &p->stages[i + 1]);
	const struct part inner = {
		.pipeline = config_find(x->config, use->uses),
		.prefix = prefix,
		.end = end,
		.use = use,
		.durable = use->durable || (part->durable && i == 0),
		.branch = use->branch || part->branch,
		.follows = !use->next && (!last || part->follows),
	};

	place(x, &inner);
	free(prefix);
	free(end);
}

static void
place(struct expansion *x, const struct part *part)
{
	for (size_t i = 0; i < part->pipeline->n_stages; i++)
		if (part->pipeline->stages[i].uses)
			place_use(x, part, i);
		else
			place_stage(x, part, i);
}

/* How many stages a pipeline comes to; counts no further than `most`. */
static size_t
count(const struct config *config, const struct config_pipeline *p, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_stages && n <= most; i++)
		n += p->stages[i].uses
		         ? count(config, config_find(config, p->stages[i].uses), most - n)
		         : 1;
	return n;
}

static struct expansion
expand(const struct config *config, const struct config_pipeline *p, struct problems *problems)
{
	struct expansion x = { .config = config, .into = p, .problems = problems };
	const struct part whole = { .pipeline = p, .prefix = "", .end = "end", .follows = true };

	if (count(config, p, STAGES_MOST) > STAGES_MOST)
		config_problem(problems, p->file, p->line,
		               "pipeline %s comes to more than %d stages with those that it uses",
		               p->name, STAGES_MOST);
	else
		place(&x, &whole);
	return x;
}

static void
free_stages(struct config_stage *stages, size_t n)
{
	for (size_t i = 0; i < n; i++)
		config_stage_free(&stages[i]);
	free(stages);
}

void
config_expand(struct config *config, struct problems *problems)
{
	struct expansion *all = mem_array(NULL, config->n_pipelines + 1, sizeof *all);

	/* all of them first: each reads the others as they are written */
	for (size_t i = 0; i < config->n_pipelines; i++)
		all[i] = expand(config, &config->pipelines[i], problems);
	for (size_t i = 0; i < config->n_pipelines; i++) {
		struct config_pipeline *p = &config->pipelines[i];

		free_stages(p->stages, p->n_stages);
		p->stages = all[i].stages;
		p->n_stages = all[i].n;
	}
	free(all);
}
