/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_pipeline.c - a pipeline's group: its stages, options and routes.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_priv.h"

#define ATTEMPTS_MOST 1000
#define LIMIT_MOST 1000000
#define BRANCHES_MOST 64

static const char *const pipeline_keys[] = {
#define PIPELINE_KEY(name, fallback, help) #name,
#include "config/pipeline_keys.def"
#undef PIPELINE_KEY
};
static const char *const stage_keys[] = {
#define STAGE_KEY(name, fallback, help) #name,
#include "config/stage_keys.def"
#undef STAGE_KEY
};
const char *const config_outputs_names[] = { "last", "all", "none" };
static const char *const fork_keys[] = { "to", "then", "join" };
static const char *const join_names[] = { "all", "any" };
static const char *const when_full_names[] = { "warn", "refuse" };

static int64_t
read_duration(const config_setting_t *group, const char *key, int64_t fallback,
              const struct config_place *at)
{
	const config_setting_t *setting = config_setting_get_member(group, key);
	const char *text = setting ? config_setting_get_string(setting) : NULL;
	struct fault fault = { 0 };
	int64_t value = fallback;

	if (!setting)
		return fallback;
	if (!text)
		config_problem(at->problems, at->file, config_line_of(setting),
		               "%s must be a duration like \"250ms\"", key);
	else if (text_duration(text, &value, &fault) != OK)
		config_problem(at->problems, at->file, config_line_of(setting), "%s: %s", key,
		               fault.text);
	return value;
}

/* "100/s", "30/min", "1000/h" as jobs a second. */
static double
read_rate(const config_setting_t *group, const char *key, const struct config_place *at)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = { { "s", 1 }, { "min", 60 }, { "h", 3600 } };
	const config_setting_t *setting = config_setting_get_member(group, key);
	const char *text = setting ? config_setting_get_string(setting) : NULL;
	double n;
	char *end;

	if (!setting)
		return 0;
	n = text ? strtod(text, &end) : 0;
	if (text && end != text && *end == '/' && n > 0 && n <= 1e9)
		for (size_t i = 0; i < countof(units); i++)
			if (strcmp(end + 1, units[i].name) == 0)
				return n / units[i].seconds;
	config_problem(at->problems, at->file, config_line_of(setting),
	               "%s must be a rate like \"100/s\", \"30/min\" or \"1000/h\"", key);
	return 0;
}

static bool
read_bool(const config_setting_t *group, const char *key, const struct config_place *at)
{
	const config_setting_t *setting = config_setting_get_member(group, key);

	if (!setting)
		return false;
	if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
		config_problem(at->problems, at->file, config_line_of(setting),
		               "%s must be true or false", key);
	return config_setting_get_bool(setting);
}

/* The name of an attribute; NULL without one. */
static char *
read_attribute(const config_setting_t *group, const char *key, const struct config_place *at)
{
	const config_setting_t *setting = config_setting_get_member(group, key);
	const char *name = setting ? config_setting_get_string(setting) : NULL;

	if (!setting)
		return NULL;
	if (name && name[0])
		return mem_dup(name);
	config_problem(at->problems, at->file, config_line_of(setting), "%s must name an attribute",
	               key);
	return NULL;
}

/* A limit for each key needs the key, and the key alone limits nothing. */
static void
read_key_limit(struct config_stage *stage, const config_setting_t *group,
               const struct config_place *at)
{
	const config_setting_t *limit = config_setting_get_member(group, "max_running_per_key");
	const config_setting_t *key = config_setting_get_member(group, "limit_key");

	stage->max_per_key = config_read_int(group, "max_running_per_key", 0, 1, LIMIT_MOST, at);
	stage->limit_key = read_attribute(group, "limit_key", at);
	if (limit && !key)
		config_problem(
		    at->problems, at->file, config_line_of(limit),
		    "max_running_per_key needs limit_key, the attribute that is the key");
	if (key && !limit)
		config_problem(at->problems, at->file, config_line_of(key),
		               "limit_key is for max_running_per_key, which is missing");
}

/* ---- options ---- */

static void
read_list(struct config_option *option, const config_setting_t *setting,
          const struct config_place *at)
{
	int n = config_setting_length(setting);

	option->type = CONFIG_T_LIST;
	option->items = mem_array(NULL, (size_t)n, sizeof(char *));
	for (int i = 0; i < n; i++) {
		const char *item = config_setting_get_string_elem(setting, i);

		if (!item) {
			config_problem(at->problems, at->file, config_line_of(setting),
			               "%s must be a list of strings", option->name);
			return;
		}
		option->items[option->n_items++] = mem_dup(item);
	}
}

static void
read_option(struct config_option *option, const config_setting_t *setting,
            const struct config_place *at)
{
	*option = (struct config_option){
		.name = mem_dup(config_setting_name(setting)),
		.file = mem_dup(at->file),
		.line = config_line_of(setting),
	};
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_BOOL:
		option->type = CONFIG_T_BOOL;
		option->boolean = config_setting_get_bool(setting);
		break;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		option->type = CONFIG_T_INT;
		option->integer = config_setting_get_int64(setting);
		break;
	case CONFIG_TYPE_FLOAT:
		option->type = CONFIG_T_FLOAT;
		option->number = config_setting_get_float(setting);
		break;
	case CONFIG_TYPE_STRING:
		option->type = CONFIG_T_STRING;
		option->string = mem_dup(config_setting_get_string(setting));
		break;
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST: read_list(option, setting, at); break;
	default:
		config_problem(at->problems, at->file, option->line, "option %s cannot be a group",
		               option->name);
	}
}

/* The group of that name, NULL when it is absent or no group. */
static const config_setting_t *
read_group(const config_setting_t *of, const char *key, const struct config_place *at)
{
	const config_setting_t *group = config_setting_get_member(of, key);

	if (!group || config_setting_is_group(group))
		return group;
	config_problem(at->problems, at->file, config_line_of(group),
	               "%s must be a group: { name = value; }", key);
	return NULL;
}

static void
read_options(struct config_stage *stage, const config_setting_t *group,
             const struct config_place *at)
{
	const config_setting_t *options = read_group(group, "options", at);

	if (!options)
		return;
	stage->n_options = (size_t)config_setting_length(options);
	stage->options = mem_array(NULL, stage->n_options, sizeof(*stage->options));
	for (size_t i = 0; i < stage->n_options; i++)
		read_option(&stage->options[i], config_setting_get_elem(options, (unsigned)i), at);
}

/* to = ( "embed", "summarise" ) */
static void
read_branches(struct config_route *route, const config_setting_t *group,
              const struct config_place *at)
{
	const config_setting_t *to = config_setting_get_member(group, "to");
	int n = to && config_setting_is_aggregate(to) ? config_setting_length(to) : 0;

	route->to = mem_array(NULL, (size_t)n, sizeof *route->to);
	for (int i = 0; i < n && i < BRANCHES_MOST; i++) {
		const char *name = config_setting_get_string_elem(to, i);

		if (name)
			route->to[route->n_to++] = mem_dup(name);
	}
	if (n < 2 || n > BRANCHES_MOST || route->n_to < (size_t)n)
		config_problem(at->problems, at->file, config_line_of(to ? to : group),
		               "route %s: to must name 2 to %d stages: to = ( \"a\", \"b\" )",
		               route->outcome, BRANCHES_MOST);
}

/* { to = ( "embed", "summarise" ); then = "store"; join = "all"; } */
static void
read_fork(struct config_route *route, const config_setting_t *group, const struct config_place *at)
{
	const config_setting_t *then = config_setting_get_member(group, "then");
	const char *stage = then ? config_setting_get_string(then) : NULL;

	config_check_keys(group, "route", fork_keys, countof(fork_keys), at);
	route->stage = mem_dup(stage ? stage : "");
	route->any = config_read_choice(group, "join", join_names, countof(join_names), at) == 1;
	if (!stage)
		config_problem(at->problems, at->file, config_line_of(then ? then : group),
		               "route %s leads to several stages: then must name the one where the "
		               "job goes on, or \"end\"",
		               route->outcome);
	read_branches(route, group, at);
}

static void
read_route(struct config_route *route, const config_setting_t *setting,
           const struct config_place *at)
{
	const char *to = config_setting_get_string(setting);

	*route = (struct config_route){ .outcome = mem_dup(config_setting_name(setting)),
		                        .line = config_line_of(setting) };
	if (config_setting_is_group(setting)) {
		read_fork(route, setting, at);
		return;
	}
	route->stage = mem_dup(to ? to : "");
	if (!to)
		config_problem(at->problems, at->file, route->line,
		               "route %s must name a stage, or \"end\"", route->outcome);
}

static void
read_routes(struct config_stage *stage, const config_setting_t *group,
            const struct config_place *at)
{
	const config_setting_t *routes = read_group(group, "routes", at);

	if (!routes)
		return;
	stage->routes = mem_array(NULL, (size_t)config_setting_length(routes),
	                          sizeof(*stage->routes));
	for (int i = 0; i < config_setting_length(routes); i++)
		read_route(&stage->routes[stage->n_routes++],
		           config_setting_get_elem(routes, (unsigned)i), at);
}

/* ---- stages ---- */

/* What a use of another pipeline may say; all else is said by that one's own stages. */
static const char *const use_keys[] = { "name", "pipeline", "routes", "durable" };

static void
refuse_key(const config_setting_t *key, const struct config_place *at)
{
	const char *name = config_setting_name(key);

	for (size_t i = 0; i < countof(use_keys); i++)
		if (strcmp(name, use_keys[i]) == 0)
			return;
	for (size_t i = 0; i < countof(stage_keys); i++)
		if (strcmp(name, stage_keys[i]) == 0)
			config_problem(at->problems, at->file, config_line_of(key),
			               "%s does not go with pipeline: the stages of that pipeline "
			               "say it themselves",
			               name);
}

/* { name = "clean"; pipeline = "other"; routes: { end = "store"; }; } */
static void
read_use(struct config_stage *stage, const config_setting_t *group, const struct config_place *at)
{
	stage->uses = config_read_name(group, "pipeline", NULL, at);
	stage->plugin = mem_dup("");
	for (int i = 0; i < config_setting_length(group); i++)
		refuse_key(config_setting_get_elem(group, (unsigned)i), at);
	read_routes(stage, group, at);
	for (size_t i = 0; i < stage->n_routes; i++) {
		const struct config_route *route = &stage->routes[i];

		if (strcmp(route->outcome, "end") != 0)
			config_problem(at->problems, at->file, route->line,
			               "route %s: a pipeline is left by its end alone, which may "
			               "lead elsewhere: routes: { end = \"%s\"; };",
			               route->outcome, route->stage);
		else if (route->n_to > 0)
			config_problem(at->problems, at->file, route->line,
			               "the end of a pipeline that is used leads to one stage; a "
			               "stage may lead to several");
		else
			stage->next = mem_dup(route->stage);
	}
}

static void
read_stage(struct config_stage *stage, const config_setting_t *group, const struct config_place *at)
{
	*stage = (struct config_stage){ .file = mem_dup(at->file), .line = config_line_of(group) };
	if (!config_setting_is_group(group)) {
		config_problem(at->problems, at->file, stage->line,
		               "a stage must be a group: { name = \"...\"; }");
		stage->name = mem_dup("");
		stage->plugin = mem_dup("");
		return;
	}
	config_check_keys(group, "stage", stage_keys, countof(stage_keys), at);
	stage->name = config_read_name(group, "name", NULL, at);
	stage->durable = read_bool(group, "durable", at);
	if (config_setting_get_member(group, "pipeline")) {
		read_use(stage, group, at);
		return;
	}
	stage->plugin = config_read_name(group, "plugin", stage->name, at);
	stage->max_attempts = config_read_int(group, "max_attempts", 5, 1, ATTEMPTS_MOST, at);
	stage->max_lease = config_read_int(group, "max_lease", 0, 1, 10000, at);
	stage->max_running = config_read_int(group, "max_running", 0, 1, LIMIT_MOST, at);
	stage->rate = read_rate(group, "rate", at);
	stage->burst = config_read_int(
	    group, "burst", stage->rate < 1 ? 1 : (int64_t)(stage->rate + 0.5), 1, LIMIT_MOST, at);
	read_key_limit(stage, group, at);
	stage->max_ready = config_read_int(group, "max_ready", 0, 1, 1000000000, at);
	stage->refuses = config_read_choice(group, "when_full", when_full_names,
	                                    countof(when_full_names), at) == 1;
	stage->timeout_ns = read_duration(group, "timeout", 0, at);
	stage->backoff_ns = read_duration(group, "backoff", SEC, at);
	stage->backoff_max_ns = read_duration(group, "backoff_max", 3600 * SEC, at);
	read_options(stage, group, at);
	read_routes(stage, group, at);
}

void
config_add_pipeline(struct config *config, const config_setting_t *setting, const char *file,
                    struct problems *problems)
{
	const struct config_place at = { file, problems };
	struct config_pipeline *p;
	const config_setting_t *stages;

	if (!config_setting_is_group(setting)) {
		config_problem(problems, file, config_line_of(setting),
		               "a pipeline must be a group: { name = \"...\"; }");
		return;
	}
	config->pipelines = mem_array(config->pipelines, config->n_pipelines + 1,
	                              sizeof(*config->pipelines));
	p = &config->pipelines[config->n_pipelines++];
	*p = (struct config_pipeline){ .file = mem_dup(file), .line = config_line_of(setting) };
	config_check_keys(setting, "pipeline", pipeline_keys, countof(pipeline_keys), &at);
	p->name = config_read_name(setting, "name", NULL, &at);
	p->outputs = (enum config_outputs)config_read_choice(
	    setting, "outputs", config_outputs_names, countof(config_outputs_names), &at);
	stages = config_setting_get_member(setting, "stages");
	if (!stages || !config_setting_is_list(stages) || config_setting_length(stages) == 0) {
		config_problem(problems, file, p->line,
		               "pipeline %s has no stages: stages = ( { ... }, ... );", p->name);
		return;
	}
	p->n_stages = (size_t)config_setting_length(stages);
	p->stages = mem_array(NULL, p->n_stages, sizeof(*p->stages));
	for (size_t i = 0; i < p->n_stages; i++)
		read_stage(&p->stages[i], config_setting_get_elem(stages, (unsigned)i), &at);
}

/* ---- free ---- */

static void
free_option(struct config_option *option)
{
	for (size_t i = 0; i < option->n_items; i++)
		free(option->items[i]);
	free(option->items);
	free(option->name);
	free(option->string);
	free(option->file);
}

void
config_stage_free(struct config_stage *stage)
{
	for (size_t i = 0; i < stage->n_options; i++)
		free_option(&stage->options[i]);
	for (size_t i = 0; i < stage->n_routes; i++) {
		free(stage->routes[i].outcome);
		free(stage->routes[i].stage);
		for (size_t k = 0; k < stage->routes[i].n_to; k++)
			free(stage->routes[i].to[k]);
		free(stage->routes[i].to);
	}
	free(stage->options);
	free(stage->routes);
	free(stage->limit_key);
	free(stage->name);
	free(stage->plugin);
	free(stage->onward);
	free(stage->uses);
	free(stage->from);
	free(stage->next);
	free(stage->file);
}

void
config_pipeline_free(struct config_pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->n_stages; i++)
		config_stage_free(&pipeline->stages[i]);
	free(pipeline->stages);
	free(pipeline->name);
	free(pipeline->file);
}
