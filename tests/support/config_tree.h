/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_tree.h - a folder of configuration files of a test's own.
 */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include "config/config.h"

/* Fixtures for cmocka: each test stands in an empty folder below /tmp, with PENSTOCK_* unset. */
int config_tree_enter(void **state);
int config_tree_leave(void **state);

/* Writes a file, mode 0644, and the folders above it. */
void config_tree_put(const char *path, const char *text);

/* Loads ./penstock.conf; the configuration lives until the test ends. Fails the test with the
 * report when there is a mistake. */
struct config *config_tree_load(void);
/* Expects mistakes; returns the report. The fault's where and text are checked to be its first
 * line. */
const char *config_tree_report(const struct config_override *over, size_t n_over);

/* Index of a stage; the test fails when it is not there. */
size_t config_tree_stage(const struct config_pipeline *pipeline, const char *stage);
/* Name of the stage that a route leads to; "end". */
const char *config_tree_leads(const struct config *config, const char *pipeline, const char *stage,
                              const char *route);

#endif
