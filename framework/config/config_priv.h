/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_priv.h - what reading and checking share: the report of problems.
 */
#ifndef PENSTOCK_CONFIG_PRIV_H
#define PENSTOCK_CONFIG_PRIV_H

#include <libconfig.h>

#include "config/config.h"

/* Collects every problem of a reading; the first becomes the fault. */
struct problems {
	struct buf *report; /* may be NULL */
	struct fault *fault;
	size_t n;
};
void config_problem(struct problems *problems, const char *file, int line, const char *format, ...)
    printf_like(4, 5);
/* ": did you mean 'x'?" or "", in static thread storage. */
const char *config_suggest(const char *name, const char *const *names, size_t n);

/* config_file.c: one file parsed, after checks that libconfig does not make (integers that it would
 * cut, who may write to it). NULL: a problem was reported. The caller config_destroy()s and frees.
 */
config_t *config_parse(const char *path, bool strict, struct problems *problems);

/* config_settings.c */
void config_defaults(struct settings *set);
void config_set_text(struct settings *set, const char *name, const char *text, const char *file,
                     int line, struct problems *problems);
void config_set(struct settings *set, const config_setting_t *setting, const char *file,
                struct problems *problems);
void config_environment(struct settings *set, struct problems *problems);
void config_settings_free(struct settings *set);
/* The value of the i-th setting as a file would write it; the caller frees. */
char *config_setting_text(const struct settings *set, size_t i);
char *config_duration_text(int64_t ns);
char *config_string_text(const char *text);

/* config_read.c: values of a group. Where is something read, and to whom is a mistake told? */
struct config_place {
	const char *file;
	struct problems *problems;
};
int config_line_of(const config_setting_t *setting);
void config_check_keys(const config_setting_t *group, const char *what, const char *const *keys,
                       size_t n, const struct config_place *at);
/* A name as pipelines and stages have it; without a fallback the key must be there. Never NULL. */
char *config_read_name(const config_setting_t *group, const char *key, const char *fallback,
                       const struct config_place *at);
int64_t config_read_int(const config_setting_t *group, const char *key, int64_t fallback,
                        int64_t least, int64_t most, const struct config_place *at);
/* The index of the word that the key has; 0 without it. */
size_t config_read_choice(const config_setting_t *group, const char *key, const char *const *names,
                          size_t n, const struct config_place *at);

/* config_schedule.c */
extern const char *const config_catch_up_names[]; /* by enum config_catch_up */
void config_add_schedule(struct config *config, const config_setting_t *setting, const char *file,
                         struct problems *problems);
void config_check_schedules(const struct config *config, struct problems *problems);
void config_schedule_free(struct config_schedule *schedule);

/* config_pipeline.c */
extern const char *const config_outputs_names[]; /* by enum config_outputs */
void config_add_pipeline(struct config *config, const config_setting_t *setting, const char *file,
                         struct problems *problems);
void config_stage_free(struct config_stage *stage);
void config_pipeline_free(struct config_pipeline *pipeline);

/* config_leave.c */
struct config_stage config_stage_copy(const struct config_stage *from);

/* config_join.c: routes to several stages. Which stages are in a branch, and no job comes to them
 * otherwise; their routes to where the branches meet become the end of the job that goes there. */
void config_join(struct config *config, struct problems *problems);

/* config_use.c: pipelines that are used as stages of others. Circles, names that are not there;
 * then, when all is well, each use gives way to the stages that it stands for. */
void config_check_uses(const struct config *config, struct problems *problems);
void config_expand(struct config *config, struct problems *problems);

/* config_load.c: an option's value, canonical */
void config_option_text(const struct config_option *option, struct buf *out);

/* config_check.c: what only shows when all is read: routes, cycles */
void config_check(const struct config *config, struct problems *problems);

#endif
