/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * abi.c - every structure and enumeration that crosses the border to a plugin, named, so that
 * abidiff sees it.
 */
#include <penstock.h>

#define SEEN __attribute__((visibility("default")))

SEEN const struct ps_stage *
penstock_stage_v1(void)
{
	return 0;
}

SEEN void
penstock_seen(struct ps_host *host, struct ps_call *call, struct ps_open *open, struct ps_job *job,
              struct ps_message *message, struct ps_result *result, struct ps_option *option,
              struct ps_counter *counter, struct ps_list *list)
{
	(void)host, (void)call, (void)open, (void)job, (void)message;
	(void)result, (void)option, (void)counter, (void)list;
}

SEEN void
penstock_seen_enums(enum ps_outcome outcome, enum ps_status status, enum ps_level level,
                    enum ps_type type, enum ps_kind kind, enum ps_threading threading)
{
	(void)outcome, (void)status, (void)level, (void)type, (void)kind, (void)threading;
}
