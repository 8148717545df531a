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
bool config_is_setting(const char *name);
const char *const *config_setting_names(size_t *ret_n);

/* config_pipeline.c */
void config_add_pipeline(struct config *config, const config_setting_t *setting, const char *file,
                         struct problems *problems);
void config_pipeline_free(struct config_pipeline *pipeline);

/* config_check.c: what only shows when all is read: routes, cycles */
void config_check(const struct config *config, struct problems *problems);

#endif
