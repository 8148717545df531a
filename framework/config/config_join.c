/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_join.c - routes to several stages, and which stages are in a branch.
 *
 * Note on levels: children of a job run in the branches of the route that it
 * took, and end where the branches meet, while the job itself goes on from
 * there. That is told by the stage in which a job is, and not by the job: a stage is
 * either one that jobs go through, or in a branch of one route, which is its
 * level. So the end of a child is an ordinary end, set here in the routes of the
 * stages of a branch, and nothing at run time looks whether a job is a child.
 * A stage to which routes lead on two levels is a mistake. A route that is not
 * named never leaves its level: it leads to the next stage of the list that is
 * on it.
 */
#include <stdlib.h>
#include <string.h>

#include "config/config_priv.h"

#define UNKNOWN_LEVEL (-1)
#define OUTSIDE 0 /* of stages that are in no branch */

/* A route to several stages. Its level is its index and one. */
struct fork {
	size_t stage; /* that has it */
	const struct config_route *route;
	char *then; /* as it was written */
};

struct levels {
	struct config_pipeline *pipeline;
	struct problems *problems;
	struct fork *forks;
	size_t n_forks;
	int *level;    /* of each stage */
	size_t *named; /* stages whose named routes are to be followed */
	size_t n_named;
	bool *pending; /* and then those routes that are not named */
};

static const struct fork *
fork_of(const struct levels *l, int level)
{
	return &l->forks[level - 1];
}

/* Is the level `inner` within the level `outer`, or the same? While that is not known: it may be.
 */
static bool
is_within(const struct levels *l, int inner, int outer)
{
	for (size_t i = 0; i <= l->n_forks && inner != outer; i++) {
		if (inner == OUTSIDE || inner == UNKNOWN_LEVEL)
			return inner == UNKNOWN_LEVEL;
		inner = l->level[fork_of(l, inner)->stage];
	}
	return inner == outer;
}

static bool
is_end(const char *name)
{
	return strcmp(name, "end") == 0 || strcmp(name, "end:job") == 0;
}

static bool
is_branch(const struct config_route *route, const char *name)
{
	for (size_t i = 0; i < route->n_to; i++)
		if (strcmp(route->to[i], name) == 0)
			return true;
	return false;
}

/* Does a job of that level end there? */
static bool
ends_at(const struct levels *l, int level, const char *name)
{
	return is_end(name) || (level != OUTSIDE && strcmp(fork_of(l, level)->then, name) == 0);
}

static const char *
name_at(const struct levels *l, size_t stage)
{
	return l->pipeline->stages[stage].name;
}

/* ---- what is wrong ---- */

static void
tell(struct levels *l, size_t from, const struct config_route *route, size_t to, int level)
{
	const struct config_stage *stage = &l->pipeline->stages[from];
	int is = l->level[to];
	const struct fork *other = is == OUTSIDE ? NULL : fork_of(l, is);

	if (is_branch(route, name_at(l, to)))
		config_problem(l->problems, stage->file, route->line,
		               "route %s of stage %s has a branch to %s, to which jobs come "
		               "otherwise, too: a branch begins at a stage of its own",
		               route->outcome, stage->name, name_at(l, to));
	else if (is_within(l, level, is))
		config_problem(l->problems, stage->file, route->line,
		               "route %s of stage %s leads out of its branch, to %s: a branch "
		               "ends at %s",
		               route->outcome, stage->name, name_at(l, to),
		               fork_of(l, level)->then);
	else
		config_problem(l->problems, stage->file, route->line,
		               "route %s of stage %s leads to %s, which is in a branch of route %s "
		               "of stage %s: what comes there ends at %s; let it go to a stage of "
		               "its own",
		               route->outcome, stage->name, name_at(l, to), other->route->outcome,
		               name_at(l, other->stage), other->then);
}

/* ---- levels ---- */

static void
put(struct levels *l, size_t stage, int level)
{
	l->level[stage] = level;
	l->named[l->n_named++] = stage;
	l->pending[stage] = true;
}

static void
follow_route(struct levels *l, size_t from, const struct config_route *route)
{
	int to = config_stage_index(l->pipeline, route->stage), level = l->level[from];

	if (to < 0 || ends_at(l, level, route->stage))
		return; /* an end, or another pipeline, for children */
	if (l->level[to] == UNKNOWN_LEVEL)
		put(l, (size_t)to, level);
	else if (l->level[to] != level)
		tell(l, from, route, (size_t)to, level);
}

static bool
names_done(const struct config_stage *stage)
{
	for (size_t r = 0; r < stage->n_routes; r++)
		if (strcmp(stage->routes[r].outcome, "done") == 0)
			return true;
	return false;
}

/* Where routes lead that are not named: behind it in the list, past the branches that begin there.
 * In the list the branches of a route stand one behind the other: where the next one begins, this
 * one is over. n_stages: the end. */
static size_t
onward(const struct levels *l, size_t i)
{
	const size_t n = l->pipeline->n_stages;
	const int level = l->level[i];

	for (size_t k = i + 1; k < n; k++) {
		if (ends_at(l, level, name_at(l, k)) ||
		    (level != OUTSIDE && is_branch(fork_of(l, level)->route, name_at(l, k))))
			return n;
		if (l->level[k] == level || l->level[k] == UNKNOWN_LEVEL)
			return k;
		if (!is_within(l, l->level[k], level))
			return n;
	}
	return n;
}

static void
follow_named(struct levels *l)
{
	while (l->n_named > 0) {
		size_t i = l->named[--l->n_named];
		const struct config_stage *stage = &l->pipeline->stages[i];

		for (size_t r = 0; r < stage->n_routes; r++)
			follow_route(l, i, &stage->routes[r]);
	}
}

/* The next stage whose other routes are to be followed: those outside of branches first, which
 * tells where branches are. False: there is none. */
static bool
next_pending(struct levels *l, size_t *ret)
{
	bool found = false;

	for (size_t i = 0; i < l->pipeline->n_stages; i++)
		if (l->pending[i] && (!found || l->level[i] < l->level[*ret])) {
			found = true;
			*ret = i;
		}
	if (found)
		l->pending[*ret] = false;
	return found;
}

/* Named routes first: they alone can be in each other's way. */
static void
follow_all(struct levels *l)
{
	size_t i = 0, to;

	follow_named(l);
	while (next_pending(l, &i)) {
		const struct config_stage *stage = &l->pipeline->stages[i];

		if (stage->next || names_done(stage))
			continue;
		to = onward(l, i);
		if (to < l->pipeline->n_stages && l->level[to] == UNKNOWN_LEVEL) {
			put(l, to, l->level[i]);
			follow_named(l);
		}
	}
}

/* Branches begin where their routes say; jobs begin at the first stage, and there may be stages to
 * which nothing leads, as far as can be told. */
static void
find_levels(struct levels *l)
{
	if (l->pipeline->n_stages > 0)
		put(l, 0, OUTSIDE);
	for (size_t f = 0; f < l->n_forks; f++) {
		const struct fork *fork = &l->forks[f];

		for (size_t k = 0; k < fork->route->n_to; k++) {
			size_t to = (size_t)config_stage_index(l->pipeline, fork->route->to[k]);

			if (l->level[to] == UNKNOWN_LEVEL)
				put(l, to, (int)f + 1);
			else
				tell(l, fork->stage, fork->route, to, (int)f + 1);
		}
	}
	follow_all(l);
	for (size_t i = 0; i < l->pipeline->n_stages; i++)
		if (l->level[i] == UNKNOWN_LEVEL) {
			put(l, i, OUTSIDE);
			follow_all(l);
		}
}

/* ---- routes as they become ---- */

static void
replace(char **name, const char *with)
{
	free(*name);
	*name = mem_dup(with);
}

static void
rewrite(struct levels *l, size_t i, size_t to)
{
	struct config_stage *stage = &l->pipeline->stages[i];
	const bool branch = l->level[i] != OUTSIDE, last = to == l->pipeline->n_stages;

	if (!stage->next && (to != i + 1 || (branch && last)))
		replace(&stage->next, !last ? name_at(l, to) : branch ? "end:job" : "end");
	if (!branch)
		return;
	stage->branch = true;
	if (stage->next && ends_at(l, l->level[i], stage->next))
		replace(&stage->next, "end:job");
	for (size_t r = 0; r < stage->n_routes; r++)
		if (ends_at(l, l->level[i], stage->routes[r].stage))
			replace(&stage->routes[r].stage, "end:job");
}

static void
find_forks(struct levels *l)
{
	const struct config_pipeline *p = l->pipeline;

	for (size_t i = 0; i < p->n_stages; i++)
		for (size_t r = 0; r < p->stages[i].n_routes; r++) {
			const struct config_route *route = &p->stages[i].routes[r];

			if (route->n_to == 0)
				continue;
			l->forks = mem_array(l->forks, l->n_forks + 1, sizeof *l->forks);
			l->forks[l->n_forks++] = (struct fork){ i, route, mem_dup(route->stage) };
		}
}

static void
join(struct config_pipeline *p, struct problems *problems)
{
	struct levels l = { .pipeline = p, .problems = problems };
	const size_t had = problems->n;

	find_forks(&l);
	if (l.n_forks == 0)
		return;
	l.level = mem_array(NULL, p->n_stages, sizeof *l.level);
	l.named = mem_array(NULL, p->n_stages, sizeof *l.named);
	l.pending = mem_alloc(p->n_stages * sizeof *l.pending);
	for (size_t i = 0; i < p->n_stages; i++)
		l.level[i] = UNKNOWN_LEVEL;
	find_levels(&l);
	for (size_t i = 0; i < p->n_stages && problems->n == had; i++)
		rewrite(&l, i, onward(&l, i));
	for (size_t f = 0; f < l.n_forks; f++)
		free(l.forks[f].then);
	free(l.forks);
	free(l.level);
	free(l.named);
	free(l.pending);
}

void
config_join(struct config *config, struct problems *problems)
{
	for (size_t i = 0; i < config->n_pipelines; i++)
		join(&config->pipelines[i], problems);
}
