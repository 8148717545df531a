/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_leave.c - from one configuration to the next in a running host.
 *
 * A stage that is gone from the files may still get jobs from work that began
 * before: it goes on in the new configuration, as it was, until they are gone.
 * Nothing leads to it there. Both configurations stay whole and apart, so that
 * either can be thrown away.
 */
#include <stdlib.h>
#include <string.h>

#include "config/config_priv.h"

/* Others find a running host by these: its counters, its control socket, its metrics. */
static const char *const fixed[] = {
	"run_dir",          "name",         "http",          "http_hosts",
	"http_connections", "http_timeout", "http_interval",
};

bool
config_is_fixed(const char *setting)
{
	for (size_t i = 0; i < countof(fixed); i++)
		if (strcmp(fixed[i], setting) == 0)
			return true;
	return false;
}

void
config_keep_fixed(struct config *config, const struct config *running)
{
	free(config->set.run_dir);
	free(config->set.name);
	free(config->set.http);
	free(config->set.http_hosts);
	config->set.http = mem_dup(running->set.http);
	config->set.http_hosts = mem_dup(running->set.http_hosts);
	config->set.http_connections = running->set.http_connections;
	config->set.http_timeout = running->set.http_timeout;
	config->set.http_interval = running->set.http_interval;
	config->set.run_dir = mem_dup(running->set.run_dir);
	config->set.name = mem_dup(running->set.name);
}

/* ---- copies ---- */

static char *
dup_or_null(const char *text)
{
	return text ? mem_dup(text) : NULL;
}

static struct config_option
copy_option(const struct config_option *from)
{
	struct config_option to = *from;

	to.name = mem_dup(from->name);
	to.string = dup_or_null(from->string);
	to.file = dup_or_null(from->file);
	to.items = NULL;
	if (from->n_items > 0)
		to.items = mem_array(NULL, from->n_items, sizeof *to.items);
	for (size_t i = 0; i < from->n_items; i++)
		to.items[i] = mem_dup(from->items[i]);
	return to;
}

static struct config_route
copy_route(const struct config_route *from)
{
	struct config_route to = *from;

	to.outcome = mem_dup(from->outcome);
	to.stage = mem_dup(from->stage);
	to.to = NULL;
	if (from->n_to > 0)
		to.to = mem_array(NULL, from->n_to, sizeof *to.to);
	for (size_t i = 0; i < from->n_to; i++)
		to.to[i] = mem_dup(from->to[i]);
	return to;
}

struct config_stage
config_stage_copy(const struct config_stage *from)
{
	struct config_stage to = *from;

	to.name = mem_dup(from->name);
	to.plugin = mem_dup(from->plugin);
	to.uses = dup_or_null(from->uses);
	to.from = dup_or_null(from->from);
	to.next = dup_or_null(from->next);
	to.onward = dup_or_null(from->onward);
	to.limit_key = dup_or_null(from->limit_key);
	to.file = mem_dup(from->file);
	to.options = mem_array(NULL, from->n_options + 1, sizeof *to.options);
	for (size_t i = 0; i < from->n_options; i++)
		to.options[i] = copy_option(&from->options[i]);
	to.routes = mem_array(NULL, from->n_routes + 1, sizeof *to.routes);
	for (size_t i = 0; i < from->n_routes; i++)
		to.routes[i] = copy_route(&from->routes[i]);
	return to;
}

/* ---- stages that leave ---- */

static bool
has_stage(const struct config_pipeline *p, const char *name)
{
	for (size_t i = 0; i < p->n_stages; i++)
		if (strcmp(p->stages[i].name, name) == 0)
			return true;
	return false;
}

/* A pipeline of that name with no stage of its own: all that will be in it leaves. */
static struct config_pipeline *
add_pipeline(struct config *config, const struct config_pipeline *like)
{
	struct config_pipeline *p;

	config->pipelines = mem_array(config->pipelines, config->n_pipelines + 1, sizeof *p);
	p = &config->pipelines[config->n_pipelines++];
	*p = (struct config_pipeline){ .name = mem_dup(like->name),
		                       .outputs = like->outputs,
		                       .file = mem_dup(like->file),
		                       .line = like->line };
	return p;
}

static void
keep_stage(struct config_pipeline *p, const struct config_pipeline *before, size_t i)
{
	size_t n = before->n_stages - before->n_leaving;
	struct config_stage *stage;

	p->stages = mem_array(p->stages, p->n_stages + 1, sizeof *p->stages);
	stage = &p->stages[p->n_stages++];
	*stage = config_stage_copy(&before->stages[i]);
	if (!stage->onward && stage->next)
		stage->onward = mem_dup(stage->next);
	if (!stage->onward)
		stage->onward = mem_dup(i + 1 < n ? before->stages[i + 1].name : "end");
	p->n_leaving++;
}

void
config_keep_leaving(struct config *after, const struct config *before)
{
	for (size_t k = 0; k < before->n_pipelines; k++) {
		const struct config_pipeline *old = &before->pipelines[k];
		struct config_pipeline *p = config_find(after, old->name);

		for (size_t i = 0; i < old->n_stages; i++) {
			if (p && has_stage(p, old->stages[i].name))
				continue;
			if (!p)
				p = add_pipeline(after, old);
			keep_stage(p, old, i);
		}
	}
}

void
config_drop_leaving(struct config *config)
{
	size_t kept = 0;

	for (size_t k = 0; k < config->n_pipelines; k++) {
		struct config_pipeline *p = &config->pipelines[k];

		for (; p->n_leaving > 0; p->n_leaving--)
			config_stage_free(&p->stages[--p->n_stages]);
		if (p->n_stages > 0)
			config->pipelines[kept++] = *p;
		else
			config_pipeline_free(p);
	}
	config->n_pipelines = kept;
}
