/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_load.c - penstock.conf, then conf.d/, then pipelines.d/, each folder
 * in the order of its names; then environment, then flags.
 *
 * Builds beside: a configuration comes out whole and checked, or not at all.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config_priv.h"

#define DEFAULT_PATH PENSTOCK_SYSCONFDIR "/penstock.conf"
#ifndef PENSTOCK_SYSCONFDIR
#define PENSTOCK_SYSCONFDIR "/etc/penstock"
#endif

/* What is not a setting: one of a kind, or a list of them. */
static const struct kind {
	const char *one, *list;
	void (*add)(struct config *config, const config_setting_t *setting, const char *file,
	            struct problems *problems);
} kinds[] = {
	{ "pipeline", "pipelines", config_add_pipeline },
	{ "schedule", "schedules", config_add_schedule },
};

static void
take_list(const struct kind *kind, struct config *config, const config_setting_t *list,
          const char *file, struct problems *problems)
{
	if (!config_setting_is_list(list)) {
		config_problem(problems, file, config_line_of(list),
		               "%s must be a list: ( { name = \"...\"; }, ... )", kind->list);
		return;
	}
	for (int i = 0; i < config_setting_length(list); i++)
		kind->add(config, config_setting_get_elem(list, (unsigned)i), file, problems);
}

static void
take_setting(struct config *config, const config_setting_t *setting, const char *file,
             struct problems *problems)
{
	const char *name = config_setting_name(setting);

	for (size_t k = 0; k < countof(kinds); k++) {
		if (strcmp(name, kinds[k].one) == 0)
			kinds[k].add(config, setting, file, problems);
		else if (strcmp(name, kinds[k].list) == 0)
			take_list(&kinds[k], config, setting, file, problems);
		else
			continue;
		return;
	}
	config_set(&config->set, setting, file, problems);
}

static void
take_file(struct config *config, const char *path, bool strict, struct problems *problems)
{
	config_t *parsed = config_parse(path, strict, problems);
	const config_setting_t *root;

	if (!parsed)
		return;
	root = config_root_setting(parsed);
	for (int i = 0; i < config_setting_length(root); i++) {
		const config_setting_t *setting = config_setting_get_elem(root, (unsigned)i);
		const char *file = config_setting_source_file(setting);

		take_setting(config, setting, file ? file : path, problems);
	}
	config_destroy(parsed);
	free(parsed);
}

static int
only_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

/* Not alphasort(): that follows the locale, and a configuration must not. */
static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
take_folder(struct config *config, const char *folder, bool strict, struct problems *problems)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, only_conf, by_bytes);

	if (n < 0) {
		if (errno != ENOENT)
			config_problem(problems, folder, 0, "cannot read the folder: %s",
			               strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		char *path = mem_printf("%s/%s", folder, entries[i]->d_name);

		take_file(config, path, strict, problems);
		free(path);
		free(entries[i]);
	}
	free(entries);
}

/* strict_files decides how files are read, so flags and environment are asked for it first. */
static bool
is_strict(const struct config_override *over, size_t n_over)
{
	const char *value = getenv("PENSTOCK_STRICT_FILES");

	for (size_t i = 0; i < n_over; i++)
		if (strcmp(over[i].name, "strict_files") == 0)
			value = over[i].value;
	return !value || strcmp(value, "false") != 0;
}

static char *
choose_path(const char *path)
{
	const char *environment = getenv("PENSTOCK_CONF");

	if (path)
		return mem_dup(path);
	if (environment && environment[0])
		return mem_dup(environment);
	return access(DEFAULT_PATH, F_OK) == 0 ? mem_dup(DEFAULT_PATH) : NULL;
}

static void
take_files(struct config *config, bool strict, struct problems *problems)
{
	static const char *const beside[] = { "conf.d", "pipelines.d" };
	const char *slash = strrchr(config->path, '/');
	int len = slash ? (int)(slash - config->path) : 1;

	take_file(config, config->path, strict, problems);
	for (size_t i = 0; i < countof(beside); i++) {
		char *folder = mem_printf("%.*s/%s", len, slash ? config->path : ".", beside[i]);

		take_folder(config, folder, strict, problems);
		free(folder);
	}
}

enum status
config_load(const char *path, const struct config_override *over, size_t n_over,
            struct config **ret_config, struct buf *report, struct fault *fault)
{
	struct fault own = { 0 };
	struct problems problems = { .report = report, .fault = fault ? fault : &own };
	struct config *config = mem_alloc(sizeof(*config));

	config_defaults(&config->set);
	config->path = choose_path(path);
	if (config->path)
		take_files(config, is_strict(over, n_over), &problems);
	config_environment(&config->set, &problems);
	for (size_t i = 0; i < n_over; i++)
		config_set_text(&config->set, over[i].name, over[i].value, "command line", 0,
		                &problems);
	if (problems.n == 0)
		config_check(config, &problems);
	if (problems.n == 0)
		config_join(config, &problems);
	if (problems.n == 0)
		config_expand(config, &problems);
	if (problems.n > 0) {
		config_free(config);
		return INVALID;
	}
	*ret_config = config;
	return OK;
}

void
config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_pipelines; i++)
		config_pipeline_free(&config->pipelines[i]);
	free(config->pipelines);
	for (size_t i = 0; i < config->n_schedules; i++)
		config_schedule_free(&config->schedules[i]);
	free(config->schedules);
	config_settings_free(&config->set);
	free(config->path);
	free(config);
}

struct config_pipeline *
config_find(const struct config *config, const char *pipeline)
{
	for (size_t i = 0; i < config->n_pipelines; i++)
		if (strcmp(config->pipelines[i].name, pipeline) == 0)
			return &config->pipelines[i];
	return NULL;
}

/* ---- canonical options ---- */

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(const struct config_option *const *)a)->name,
	              (*(const struct config_option *const *)b)->name);
}

void
config_option_text(const struct config_option *o, struct buf *out)
{
	switch (o->type) {
	case CONFIG_T_BOOL: buf_adds(out, o->boolean ? "true" : "false"); break;
	case CONFIG_T_INT: buf_printf(out, "%lld", (long long)o->integer); break;
	case CONFIG_T_FLOAT: buf_printf(out, "%.17g", o->number); break;
	case CONFIG_T_STRING: buf_add_json(out, o->string, strlen(o->string)); break;
	case CONFIG_T_LIST:
		for (size_t i = 0; i < o->n_items; i++) {
			buf_addc(out, i ? ',' : '[');
			buf_add_json(out, o->items[i], strlen(o->items[i]));
		}
		buf_adds(out, o->n_items ? "]" : "[]");
	}
}

void
config_options_text(const struct config_stage *stage, struct buf *out)
{
	const struct config_option **sorted = mem_array(NULL, stage->n_options, sizeof(*sorted));

	for (size_t i = 0; i < stage->n_options; i++)
		sorted[i] = &stage->options[i];
	qsort(sorted, stage->n_options, sizeof(*sorted), by_name);
	for (size_t i = 0; i < stage->n_options; i++) {
		buf_printf(out, "%s=", sorted[i]->name);
		config_option_text(sorted[i], out);
		buf_addc(out, '\n');
	}
	free(sorted);
}
