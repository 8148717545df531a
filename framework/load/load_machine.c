/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_machine.c - on what, and with what settings, numbers were made.
 */
#include "load/load.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* "model name : Xyz" of /proc/cpuinfo; where there is none the architecture has to do. */
static char *
processor(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char *line = NULL, *name = NULL, *colon;
	size_t size = 0;

	while (f && !name && getline(&line, &size, f) >= 0) {
		colon = strchr(line, ':');
		if (strncmp(line, "model name", 10) == 0 && colon)
			name = mem_dupn(colon + 2, strcspn(colon + 2, "\n"));
	}
	free(line);
	if (f)
		fclose(f);
	return name;
}

char *
load_machine(void)
{
	int64_t memory = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	char *name = processor(), *text;
	struct utsname system;

	uname(&system);
	/* to whole GiB: a kernel that takes some pages more makes no other machine */
	text = mem_printf("%s, %ld cores, %" PRId64 " GiB, %s %.*s %s",
	                  name ? name : "unknown processor", sysconf(_SC_NPROCESSORS_ONLN),
	                  (memory + (INT64_C(1) << 29)) >> 30, system.sysname,
	                  (int)strcspn(system.release, "-"), system.release, system.machine);
	free(name);
	return text;
}

static void
add_stage(const struct config_stage *s, struct buf *text)
{
	buf_printf(text,
	           "stage %s %s durable %d attempts %" PRId64 " timeout %" PRId64 " lease %" PRId64
	           " running %" PRId64 " rate %g %" PRId64 " ready %" PRId64 "\n",
	           s->name, s->plugin, s->durable, s->max_attempts, s->timeout_ns, s->max_lease,
	           s->max_running, s->rate, s->burst, s->max_ready);
	if (s->next)
		buf_printf(text, "next %s\n", s->next);
	for (size_t i = 0; i < s->n_routes; i++) {
		const struct config_route *route = &s->routes[i];
		char *to = route->n_to > 0 ? config_route_text(route) : mem_dup(route->stage);

		buf_printf(text, "route %s %s\n", route->outcome, to);
		free(to);
	}
	config_options_text(s, text);
	buf_addc(text, '\n');
}

char *
load_configuration(const struct config *config, const struct config_pipeline *pipeline)
{
	const struct settings *set = &config->set;
	struct sha256 sum;
	struct buf text;
	char hex[65];

	buf_init(&text);
	buf_printf(
	    &text,
	    "processes %" PRId64 " workers %" PRId64 " lease %" PRId64 " %" PRId64 " %" PRId64 "\n",
	    set->processes, set->workers, set->lease_jobs, set->lease_bytes, set->lease_time);
	buf_printf(&text, "pipeline %s outputs %d\n", pipeline->name, (int)pipeline->outputs);
	for (size_t i = 0; i < pipeline->n_stages; i++)
		add_stage(&pipeline->stages[i], &text);
	sha256_of(text.data, text.len, &sum);
	sha256_hex(&sum, hex);
	buf_done(&text);
	return mem_dup(hex);
}
