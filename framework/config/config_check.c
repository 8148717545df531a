/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_check.c - what only shows when everything is read: names given
 * twice, routes to nowhere, cycles that no job can leave.
 */
#include <stdlib.h>
#include <string.h>

#include "config/config_priv.h"

static int
find_stage(const struct config_pipeline *pipeline, const char *name)
{
	for (size_t i = 0; i < pipeline->n_stages; i++)
		if (strcmp(pipeline->stages[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int
leads_to(const struct config_pipeline *pipeline, const char *stage)
{
	if (strcmp(stage, "end") == 0 || strcmp(stage, "end:job") == 0)
		return (int)pipeline->n_stages;
	return find_stage(pipeline, stage);
}

/* Where a route leads that the configuration does not name: to the next stage in the list, which
 * does not go on with those that leave. */
static int
onward(const struct config_pipeline *pipeline, size_t i)
{
	const struct config_stage *stage = &pipeline->stages[i];

	if (stage->onward || stage->next)
		return leads_to(pipeline, stage->onward ? stage->onward : stage->next);
	return i + 1 < pipeline->n_stages - pipeline->n_leaving ? (int)i + 1
	                                                        : (int)pipeline->n_stages;
}

int
config_next(const struct config_pipeline *pipeline, size_t i, const char *route)
{
	const struct config_stage *stage = &pipeline->stages[i];

	for (size_t r = 0; r < stage->n_routes; r++)
		if (strcmp(stage->routes[r].outcome, route) == 0)
			return leads_to(pipeline, stage->routes[r].stage);
	return onward(pipeline, i);
}

int
config_stage_index(const struct config_pipeline *pipeline, const char *name)
{
	return find_stage(pipeline, name);
}

const struct config_route *
config_branches(const struct config_pipeline *pipeline, size_t i, const char *route)
{
	const struct config_stage *stage = &pipeline->stages[i];

	for (size_t r = 0; r < stage->n_routes; r++)
		if (strcmp(stage->routes[r].outcome, route) == 0)
			return stage->routes[r].n_to > 0 ? &stage->routes[r] : NULL;
	return NULL;
}

bool
config_leads(const struct config_pipeline *pipeline, size_t i, size_t to)
{
	const struct config_stage *stage = &pipeline->stages[i];

	for (size_t r = 0; r < stage->n_routes; r++) {
		const struct config_route *route = &stage->routes[r];

		if (leads_to(pipeline, route->stage) == (int)to)
			return true;
		for (size_t k = 0; k < route->n_to; k++)
			if (find_stage(pipeline, route->to[k]) == (int)to)
				return true;
	}
	return config_next(pipeline, i, "done") == (int)to;
}

char *
config_route_text(const struct config_route *route)
{
	struct buf text;

	if (route->n_to == 0)
		return config_string_text(route->stage);
	buf_init(&text);
	for (size_t i = 0; i < route->n_to; i++) {
		buf_adds(&text, i ? ", " : "{ to = ( ");
		buf_add_json(&text, route->to[i], strlen(route->to[i]));
	}
	buf_adds(&text, " ); then = ");
	buf_add_json(&text, route->stage, strlen(route->stage));
	buf_printf(&text, "; join = \"%s\"; }", route->any ? "any" : "all");
	return buf_steal(&text);
}

#define OTHER_PIPELINE "pipeline:"

/* The name of the pipeline that a route leads children to; NULL: it stays in its own. */
static const char *
other_pipeline(const struct config_route *route)
{
	size_t n = strlen(OTHER_PIPELINE);

	return strncmp(route->stage, OTHER_PIPELINE, n) == 0 ? route->stage + n : NULL;
}

bool
config_child(const struct config *config, const struct config_pipeline *pipeline, size_t i,
             const char *route, size_t *ret_pipeline, size_t *ret_stage)
{
	const struct config_stage *stage = &pipeline->stages[i];
	int next;

	for (size_t r = 0; r < stage->n_routes; r++) {
		const char *other = other_pipeline(&stage->routes[r]);
		const struct config_pipeline *to = other ? config_find(config, other) : NULL;

		if (strcmp(stage->routes[r].outcome, route) != 0 || !other)
			continue;
		*ret_stage = 0;
		*ret_pipeline = to ? (size_t)(to - config->pipelines) : 0;
		return to != NULL;
	}
	if (config_branches(pipeline, i, route)) /* each child to several: nobody asked for that */
		return false;
	next = config_next(pipeline, i, route);
	*ret_pipeline = (size_t)(pipeline - config->pipelines);
	*ret_stage = (size_t)next;
	return next >= 0 && (size_t)next < pipeline->n_stages;
}

static void
check_other_pipeline(const struct config *config, const struct config_stage *stage,
                     const struct config_route *route, struct problems *problems)
{
	const char *name = other_pipeline(route);

	if (stage->uses)
		config_problem(problems, stage->file, route->line,
		               "route %s of %s: to the start of another pipeline go children, not "
		               "what leaves a pipeline",
		               route->outcome, stage->name);
	else if (!config_find(config, name))
		config_problem(problems, stage->file, route->line,
		               "route %s of stage %s leads to pipeline '%s', which is not there",
		               route->outcome, stage->name, name);
}

/* `names`: of all stages, and "end". */
static void
check_fork(const struct config_pipeline *p, const struct config_stage *stage,
           const struct config_route *route, const char **names, struct problems *problems)
{
	if (leads_to(p, route->stage) < 0)
		config_problem(
		    problems, stage->file, route->line,
		    "route %s of stage %s goes on at '%s', which is not a stage of pipeline %s%s",
		    route->outcome, stage->name, route->stage, p->name,
		    config_suggest(route->stage, names, p->n_stages + 1));
	for (size_t i = 0; i < route->n_to; i++) {
		const char *to = route->to[i];
		bool twice = false;

		for (size_t k = 0; k < i; k++)
			twice |= strcmp(route->to[k], to) == 0;
		if (find_stage(p, to) < 0)
			config_problem(
			    problems, stage->file, route->line,
			    "route %s of stage %s has a branch to '%s', which is not a stage of "
			    "pipeline %s%s",
			    route->outcome, stage->name, to, p->name,
			    config_suggest(to, names, p->n_stages));
		else if (strcmp(to, route->stage) == 0)
			config_problem(
			    problems, stage->file, route->line,
			    "route %s of stage %s: %s is a branch, and the stage where the "
			    "branches meet; then must name another",
			    route->outcome, stage->name, to);
		else if (twice)
			config_problem(problems, stage->file, route->line,
			               "route %s of stage %s has two branches to %s",
			               route->outcome, stage->name, to);
	}
}

static void
check_routes(const struct config *config, const struct config_pipeline *p,
             const struct config_stage *stage, struct problems *problems)
{
	const char **names = mem_array(NULL, p->n_stages + 1, sizeof(*names));

	for (size_t i = 0; i < p->n_stages; i++)
		names[i] = p->stages[i].name;
	names[p->n_stages] = "end";
	for (size_t r = 0; r < stage->n_routes; r++) {
		const struct config_route *route = &stage->routes[r];

		if (route->n_to > 0)
			check_fork(p, stage, route, names, problems);
		else if (other_pipeline(route))
			check_other_pipeline(config, stage, route, problems);
		else if (leads_to(p, route->stage) < 0)
			config_problem(
			    problems, stage->file, route->line,
			    "route %s of stage %s leads to '%s', which is not a stage of pipeline %s%s",
			    route->outcome, stage->name, route->stage, p->name,
			    config_suggest(route->stage, names, p->n_stages + 1));
	}
	free(names);
}

static bool
leaves_by(const struct config_pipeline *p, const bool *leaves, size_t i, const char *route)
{
	int next = config_next(p, i, route);

	return next >= 0 && ((size_t)next == p->n_stages || leaves[next]);
}

/* Where the plugin's routes are not known they are those that are named, and "done", which goes to
 * the next stage unless it is named. */
static bool
can_leave(const struct config_pipeline *p, const struct config_declared *declared,
          const bool *leaves, size_t i)
{
	const struct config_stage *stage = &p->stages[i];

	if (declared && declared[i].routes) {
		for (size_t r = 0; r < declared[i].n; r++)
			if (leaves_by(p, leaves, i, declared[i].routes[r]))
				return true;
		return false;
	}
	for (size_t r = 0; r < stage->n_routes; r++)
		if (leaves_by(p, leaves, i, stage->routes[r].outcome))
			return true;
	return leaves_by(p, leaves, i, "done");
}

/* Marks what can reach the end, from the end backwards, until nothing changes. The caller frees. */
static bool *
mark_leaving(const struct config_pipeline *p, const struct config_declared *declared)
{
	bool *leaves = mem_alloc(p->n_stages * sizeof(*leaves));
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = p->n_stages; i-- > 0;)
			if (!leaves[i] && can_leave(p, declared, leaves, i))
				changed = leaves[i] = true;
	}
	return leaves;
}

/* "left leads to a, right to b" */
static char *
say_routes(const struct config_pipeline *p, const struct config_declared *declared, size_t i)
{
	struct buf text;

	buf_init(&text);
	for (size_t r = 0; r < declared[i].n; r++) {
		int next = config_next(p, i, declared[i].routes[r]);

		buf_printf(&text, "%s%s %sto %s", r ? ", " : "", declared[i].routes[r],
		           r ? "" : "leads ", next < 0 ? "nowhere" : p->stages[next].name);
	}
	return buf_steal(&text);
}

void
config_check_ends(const struct config_pipeline *p, const struct config_declared *declared,
                  struct buf *report)
{
	struct fault fault = { 0 };
	struct problems problems = { .report = report, .fault = &fault };
	bool *leaves = mark_leaving(p, declared);

	for (size_t i = 0; i < p->n_stages; i++) {
		char *routes = NULL;

		if (leaves[i])
			continue;
		if (declared[i].routes)
			routes = say_routes(p, declared, i);
		config_problem(&problems, p->stages[i].file, p->stages[i].line,
		               "a job in stage %s of pipeline %s can never reach the end%s%s",
		               p->stages[i].name, p->name, routes ? ": " : "",
		               routes ? routes : "");
		free(routes);
	}
	free(leaves);
}

static void
check_cycles(const struct config_pipeline *p, struct problems *problems)
{
	bool *leaves = mark_leaving(p, NULL);

	for (size_t i = 0; i < p->n_stages; i++)
		if (!leaves[i])
			config_problem(problems, p->stages[i].file, p->stages[i].line,
			               "a job in stage %s of pipeline %s can never reach the end",
			               p->stages[i].name, p->name);
	free(leaves);
}

static void
check_pipeline(const struct config *config, const struct config_pipeline *p,
               struct problems *problems)
{
	size_t had = problems->n;

	for (size_t i = 0; i < p->n_stages; i++) {
		const struct config_stage *stage = &p->stages[i];
		int first = find_stage(p, stage->name);

		if (strcmp(stage->name, "end") == 0)
			config_problem(problems, stage->file, stage->line,
			               "a stage cannot be called 'end'");
		if (first < (int)i)
			config_problem(problems, stage->file, stage->line,
			               "stage %s is there twice, also at line %d", stage->name,
			               p->stages[first].line);
		if (!stage->uses && stage->backoff_max_ns < stage->backoff_ns)
			config_problem(problems, stage->file, stage->line,
			               "backoff_max of stage %s is less than its backoff",
			               stage->name);
		check_routes(config, p, stage, problems);
	}
	if (problems->n == had)
		check_cycles(p, problems);
}

void
config_check(const struct config *config, struct problems *problems)
{
	for (size_t i = 0; i < config->n_pipelines; i++) {
		const struct config_pipeline *p = &config->pipelines[i];
		const struct config_pipeline *first = config_find(config, p->name);

		if (first != p)
			config_problem(problems, p->file, p->line,
			               "pipeline %s is there twice, also at %s:%d", p->name,
			               first->file, first->line);
		check_pipeline(config, p, problems);
	}
	config_check_uses(config, problems);
	config_check_schedules(config, problems);
	if (config->set.lease_life < 3 * config->set.heartbeat)
		config_problem(
		    problems, config->path ? config->path : "settings", 0,
		    "lease_life must be at least three times heartbeat: one late beat must not cost a "
		    "host its work");
	if (config->set.poll_most < config->set.poll_least)
		config_problem(problems, config->path ? config->path : "settings", 0,
		               "poll_most is less than poll_least");
}
