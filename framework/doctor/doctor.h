/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.h - what around a database and its hosts loses data or speed.
 *
 * Looks and changes nothing. The checks are listed in doctor.c; what each
 * finding means to an operator is in docs/operations.md.
 */
#ifndef PENSTOCK_DOCTOR_H
#define PENSTOCK_DOCTOR_H

#include "base/base.h"
#include "config/config.h"
#include "db/db.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_PROBLEM };
const char *doctor_level_text(enum doctor_level level); /* "ok", "warning", "problem" */

struct doctor_finding {
	const char *check; /* its name in the table */
	enum doctor_level level;
	char *text;   /* what was found, with the figures */
	char *advice; /* what to do; NULL: nothing */
};

/* Zero-initialise it; doctor_report_done() frees what it holds. */
struct doctor_report {
	struct doctor_finding *findings;
	size_t n;
	const char *check; /* the one that looks now */
};

/* Makes every check, each with one finding or more. What could not be looked at is a warning, and
 * a connection that is lost meanwhile a problem that ends the round. Waits for the beats of hosts:
 * up to the setting lease_life when one of them is silent. */
void doctor_examine(struct db *db, const struct config *config, struct doctor_report *report);
size_t doctor_count(const struct doctor_report *report, enum doctor_level level);
void doctor_report_done(struct doctor_report *report);

#endif
