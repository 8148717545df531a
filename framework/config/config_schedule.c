/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_schedule.c - a schedule's group: when a job comes by the clock, and which.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_priv.h"

static const char *const schedule_keys[] = {
#define SCHEDULE_KEY(name, fallback, help) #name,
#include "config/schedule_keys.def"
#undef SCHEDULE_KEY
};
const char *const config_catch_up_names[] = { "one", "skip", "all" };

const char *
config_catch_up_name(enum config_catch_up catch_up)
{
	return config_catch_up_names[catch_up];
}

static char *
read_text(const config_setting_t *group, const char *key, const char *fallback,
          const struct config_place *at)
{
	const config_setting_t *setting = config_setting_get_member(group, key);
	const char *text = setting ? config_setting_get_string(setting) : fallback;

	if (!setting && !fallback)
		config_problem(at->problems, at->file, config_line_of(group), "'%s' is missing",
		               key);
	else if (!text)
		config_problem(at->problems, at->file, config_line_of(setting),
		               "%s must be a string", key);
	return mem_dup(text ? text : "");
}

static char *
read_cron(const config_setting_t *group, const struct config_place *at)
{
	const config_setting_t *setting = config_setting_get_member(group, "cron");
	struct fault fault = { 0 };
	char *cron = read_text(group, "cron", NULL, at);

	if (setting && config_setting_get_string(setting) && config_cron_check(cron, &fault) != OK)
		config_problem(at->problems, at->file, config_line_of(setting), "%s", fault.text);
	return cron;
}

/* ---- attributes: a group as a JSON object ---- */

static void add_value(const config_setting_t *setting, struct buf *out,
                      const struct config_place *at);

static void
add_members(const config_setting_t *group, bool named, struct buf *out,
            const struct config_place *at)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *member = config_setting_get_elem(group, (unsigned)i);

		if (i)
			buf_addc(out, ',');
		if (named) {
			const char *name = config_setting_name(member);

			buf_add_json(out, name, strlen(name));
			buf_addc(out, ':');
		}
		add_value(member, out, at);
	}
}

static void
add_value(const config_setting_t *setting, struct buf *out, const struct config_place *at)
{
	const char *text;

	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_BOOL:
		buf_adds(out, config_setting_get_bool(setting) ? "true" : "false");
		break;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		buf_printf(out, "%lld", (long long)config_setting_get_int64(setting));
		break;
	case CONFIG_TYPE_FLOAT: buf_printf(out, "%.17g", config_setting_get_float(setting)); break;
	case CONFIG_TYPE_GROUP:
		buf_addc(out, '{');
		add_members(setting, true, out, at);
		buf_addc(out, '}');
		break;
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST:
		buf_addc(out, '[');
		add_members(setting, false, out, at);
		buf_addc(out, ']');
		break;
	default:
		text = config_setting_get_string(setting);
		buf_add_json(out, text ? text : "", text ? strlen(text) : 0);
	}
}

static char *
read_attributes(const config_setting_t *group, const struct config_place *at)
{
	const config_setting_t *setting = config_setting_get_member(group, "attributes");
	const char *text = setting ? config_setting_get_string(setting) : "{}";
	struct fault fault = { 0 };
	struct buf json;

	buf_init(&json);
	if (text)
		buf_adds(&json, text);
	else if (config_setting_is_group(setting))
		add_value(setting, &json, at);
	else
		config_problem(at->problems, at->file, config_line_of(setting),
		               "attributes must be a group, or a string that is a JSON object");
	if (json.len > 0 && json_check_object(json.data, json.len, &fault) != OK)
		config_problem(at->problems, at->file, config_line_of(setting), "attributes: %s",
		               fault.text);
	buf_addc(&json, '\0');
	return buf_steal(&json);
}

/* ---- schedules ---- */

void
config_add_schedule(struct config *config, const config_setting_t *setting, const char *file,
                    struct problems *problems)
{
	const struct config_place at = { file, problems };
	struct config_schedule *s;

	if (!config_setting_is_group(setting)) {
		config_problem(problems, file, config_line_of(setting),
		               "a schedule must be a group: { name = \"...\"; }");
		return;
	}
	config->schedules = mem_array(config->schedules, config->n_schedules + 1,
	                              sizeof(*config->schedules));
	s = &config->schedules[config->n_schedules++];
	*s = (struct config_schedule){ .file = mem_dup(file), .line = config_line_of(setting) };
	config_check_keys(setting, "schedule", schedule_keys, countof(schedule_keys), &at);
	s->name = config_read_name(setting, "name", NULL, &at);
	s->pipeline = config_read_name(setting, "pipeline", NULL, &at);
	s->cron = read_cron(setting, &at);
	s->time_zone = read_text(setting, "time_zone", "UTC", &at);
	s->attributes = read_attributes(setting, &at);
	s->priority = config_read_int(setting, "priority", 0, INT16_MIN, INT16_MAX, &at);
	s->catch_up = (enum config_catch_up)config_read_choice(
	    setting, "catch_up", config_catch_up_names, countof(config_catch_up_names), &at);
}

static void
check_schedule(const struct config *config, size_t i, struct problems *problems)
{
	const struct config_schedule *s = &config->schedules[i], *first = config->schedules;
	const char **names;

	while (strcmp(first->name, s->name) != 0)
		first++;
	if (first != s)
		config_problem(problems, s->file, s->line,
		               "schedule %s is there twice, also at %s:%d", s->name, first->file,
		               first->line);
	if (config_find(config, s->pipeline))
		return;
	names = mem_array(NULL, config->n_pipelines + 1, sizeof(*names));
	for (size_t p = 0; p < config->n_pipelines; p++)
		names[p] = config->pipelines[p].name;
	config_problem(problems, s->file, s->line,
	               "schedule %s is for pipeline '%s', which is not there%s", s->name,
	               s->pipeline, config_suggest(s->pipeline, names, config->n_pipelines));
	free(names);
}

void
config_check_schedules(const struct config *config, struct problems *problems)
{
	for (size_t i = 0; i < config->n_schedules; i++)
		check_schedule(config, i, problems);
}

void
config_schedule_free(struct config_schedule *s)
{
	free(s->name);
	free(s->pipeline);
	free(s->cron);
	free(s->time_zone);
	free(s->attributes);
	free(s->file);
}
