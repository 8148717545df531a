/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.c - penstock doctor: what the checks found, for people or as JSON.
 */
#include "doctor/doctor.h"
#include "cli/cli_priv.h"

static void
print_json(const struct cli *cli, const struct doctor_report *report)
{
	static const struct cli_column columns[] = { { "check", CLI_TEXT },
		                                     { "level", CLI_TEXT },
		                                     { "text", CLI_TEXT },
		                                     { "advice", CLI_TEXT },
		                                     { NULL, CLI_TEXT } };
	struct cli_table *t = cli_table_new(columns);

	for (size_t i = 0; i < report->n; i++) {
		cli_cell_text(t, report->findings[i].check);
		cli_cell_text(t, doctor_level_text(report->findings[i].level));
		cli_cell_text(t, report->findings[i].text);
		cli_cell_text(t, report->findings[i].advice);
	}
	cli_table_print(t, cli);
	cli_table_free(t);
}

static void
print_lines(const struct cli *cli, const struct doctor_report *report)
{
	static const char *const colours[] = { "\033[32m", "\033[33m", "\033[1;31m" };

	for (size_t i = 0; i < report->n; i++) {
		const struct doctor_finding *f = &report->findings[i];

		printf("%s%-8s%s %-12s %s\n", cli->colour ? colours[f->level] : "",
		       doctor_level_text(f->level), cli->colour ? "\033[0m" : "", f->check,
		       f->text);
		if (f->advice)
			printf("%-22sdo: %s\n", "", f->advice);
	}
}

int
doctor_command(struct cli *cli)
{
	struct doctor_report report = { 0 };
	size_t problems, warnings;
	struct db *db;
	int end = cli_open(cli, &db);

	if (end != CLI_OK)
		return end;
	doctor_examine(db, cli->config, &report);
	db_close(db);
	problems = doctor_count(&report, DOCTOR_PROBLEM);
	warnings = doctor_count(&report, DOCTOR_WARNING);
	if (cli->json)
		print_json(cli, &report);
	else
		print_lines(cli, &report);
	cli_say(cli, "%zu %s, %zu %s", problems, problems == 1 ? "problem" : "problems", warnings,
	        warnings == 1 ? "warning" : "warnings");
	doctor_report_done(&report);
	return problems ? CLI_FOUND : CLI_OK;
}
