/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_check.c - a stage's options and routes against its plugin's manifest.
 *
 * Runs no plugin code (see stage_loader.c): this is what `penstock check` knows before a start.
 */
#include "stage/stage_priv.h"

#include <stdlib.h>
#include <string.h>

struct ps_option *
stage_manifest_rows(const struct stage_manifest *manifest)
{
	struct ps_option *rows = mem_alloc((manifest->n_options + 1) * sizeof *rows);

	for (size_t i = 0; i < manifest->n_options; i++) {
		const struct stage_manifest_option *from = &manifest->options[i];

		rows[i] = (struct ps_option){
			.name = from->name,
			.type = option_type_of(from->type),
			.flags = from->required ? PS_OPTION_REQUIRED : 0,
			.fallback = from->fallback,
			.choices = from->choices,
			.help = from->help,
		};
		/* a range that only a compiler can read is looked at when the plugin is loaded */
		if (from->min && (!stage_constant(from->min, &rows[i].min) ||
		                  !stage_constant(from->max, &rows[i].max)))
			rows[i].min = rows[i].max = 0;
	}
	return rows;
}

static size_t
check_routes(const struct stage_manifest *manifest, const struct config_stage *stage,
             struct buf *report, struct fault *fault)
{
	size_t problems = 0;

	for (size_t i = 0; i < stage->n_routes; i++) {
		const char *name = stage->routes[i].outcome, *nearest;
		struct fault one = { 0 };
		bool found = false;

		for (size_t k = 0; k < manifest->n_routes && !found; k++)
			found = strcmp(manifest->routes[k], name) == 0;
		if (found)
			continue;
		nearest = text_nearest(name, (const char *const *)manifest->routes,
		                       manifest->n_routes);
		fault_set(&one, INVALID, "the plugin %s has no route '%s'", manifest->name, name);
		fault_where(&one, "%s:%d", stage->file ? stage->file : "command line",
		            stage->routes[i].line ? stage->routes[i].line : stage->line);
		if (nearest)
			fault_hint(&one, "did you mean '%s'?", nearest);
		if (report)
			buf_printf(report, "%s: %s%s%s\n", one.where, one.text,
			           one.hint[0] ? "; " : "", one.hint);
		if (problems++ == 0 && fault && fault->status == OK)
			*fault = one;
	}
	return problems;
}

enum status
stage_check(const struct stage_manifest *manifest, const struct config_stage *stage,
            struct buf *report, struct fault *fault)
{
	struct ps_option *rows = stage_manifest_rows(manifest);
	struct fault first = { 0 };
	size_t problems;

	problems = options_check(manifest->name, rows, manifest->n_options, stage, true, report,
	                         &first);
	problems += check_routes(manifest, stage, report, &first);
	free(rows);
	if (problems == 0)
		return OK;
	if (fault)
		*fault = first;
	return INVALID;
}

/* Opened once: what was found fit is what is read, and what the loader is given. */
static enum status
find_manifest(const struct settings *set, const struct config_stage *stage,
              struct stage_manifest **ret_manifest, struct fault *fault)
{
	char *path = NULL;
	struct buf file;
	int fd = -1;
	enum status st = stage_find(set->plugin_path, stage->plugin, &path, fault);

	buf_init(&file);
	if (st == OK)
		st = set->strict_files ? stage_trust_open(path, true, &fd, fault)
		                       : stage_file_open(path, &fd, fault);
	if (st == OK)
		st = stage_manifest_take(fd, path, &file, ret_manifest, fault);
	if (st == OK)
		st = stage_loader_takes(path, &file, fault);
	buf_done(&file);
	free(path);
	return st;
}

static struct stage_manifest *
check_file(const struct settings *set, const struct config_stage *stage, struct buf *report)
{
	struct stage_manifest *manifest = NULL;
	struct fault fault = { 0 };
	size_t before = report->len;
	enum status st = find_manifest(set, stage, &manifest, &fault);

	if (stage->from) /* told where it is written, once */
		return manifest;
	if (st == OK)
		st = stage_check(manifest, stage, report, &fault);
	if (st != OK && report->len == before)
		buf_printf(report, "%s:%d: %s%s%s%s%s\n", stage->file, stage->line, fault.where,
		           fault.where[0] ? ": " : "", fault.text, fault.hint[0] ? "; " : "",
		           fault.hint);
	return manifest;
}

void
stage_check_pipeline(const struct settings *set, const struct config_pipeline *pipeline,
                     struct buf *report)
{
	const size_t n = pipeline->n_stages, before = report->len;
	struct stage_manifest **manifests = mem_array(NULL, n + 1, sizeof *manifests);
	struct config_declared *declared = mem_alloc((n + 1) * sizeof *declared);

	for (size_t i = 0; i < n; i++) {
		manifests[i] = check_file(set, &pipeline->stages[i], report);
		if (manifests[i])
			declared[i] = (struct config_declared){ manifests[i]->routes,
				                                manifests[i]->n_routes };
	}
	if (report->len == before)
		config_check_ends(pipeline, declared, report);
	for (size_t i = 0; i < n; i++)
		stage_manifest_free(manifests[i]);
	free(manifests);
	free(declared);
}
