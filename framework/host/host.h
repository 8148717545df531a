/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.h - `penstock run`: a supervisor and its host processes.
 *
 * The supervisor runs no plugin code, no libpq and no threads: it forks the
 * host processes, starts again those that die, and ends with the last of them.
 * A reload starts a new generation of them beside the old one.
 */
#ifndef PENSTOCK_HOST_H
#define PENSTOCK_HOST_H

#include "base/base.h"
#include "config/config.h"

struct host_options {
	const struct config *config; /* outlives the run */
	/* What config was read from: a reload reads it again. */
	const char *config_path;
	const struct config_override *overrides;
	size_t n_overrides;
	bool dev; /* `penstock dev`: plugins are loaded from where they are, warnings instead of
	             refusals */
};

/* Opens the log as the configuration says, and runs until SIGTERM or SIGINT, drains, and returns. A
 * second signal ends it at once. OK after a clean drain; INVALID when the configuration or a plugin
 * is not fit to start; AWAY never: hosts wait for the database. */
enum status host_run(const struct host_options *options, struct fault *fault);

/* Path of the counters segment of the host that this configuration names; caller frees. */
char *host_segment_path(const struct config *config);

#endif
