/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cluster.h - a private PostgreSQL for a test program, and databases in it.
 *
 * One cluster a program, made at the first call by tests/support/cluster.sh
 * and stopped at its exit; what a test breaks is its own database. Anything
 * that goes wrong here fails the test at hand.
 */
#ifndef TESTS_CLUSTER_H
#define TESTS_CLUSTER_H

#include "base/base.h"
#include "db/db.h"

/* Before the first of the others: lines of postgresql.conf, up to NULL. */
void cluster_configure(const char *line, ...) __attribute__((sentinel));
/* conninfo of the superuser in database postgres; starts the cluster. */
const char *cluster_dsn(void);
/* conninfo of the superuser in a new database: empty, or a copy of one with the core's schema. */
const char *cluster_database(void);
const char *cluster_migrated(void);
/* The same database as another role. */
const char *cluster_as(const char *conninfo, const char *role);

void cluster_restart(const char *mode); /* fast, immediate */
void cluster_kill9(void);

struct db *cluster_open(const char *conninfo);
void cluster_exec(struct db *db, const char *sql);
/* The integer, or the text in static storage, that a query's first row begins with. */
int64_t cluster_int(struct db *db, const char *sql);
const char *cluster_text(struct db *db, const char *sql);
/* Waits until the query gives true, for 10 s at most: never a sleep for its own sake. */
void cluster_wait_until(struct db *db, const char *sql);

#endif
