/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue_bench.h - for tests: a migrated database with one pipeline and one
 * host, worked by the functions of queue.h alone.
 */
#ifndef TESTS_QUEUE_BENCH_H
#define TESTS_QUEUE_BENCH_H

#include "queue/queue.h"

#define QUEUE_BENCH_STAGES 3

struct queue_bench {
	const char *admin_conninfo, *conninfo;
	struct db *admin; /* a superuser, to look and to disturb */
	struct db *db;    /* as a host has it: a member of penstock_host */
	struct arena *arena;
	int64_t host;
	int32_t lanes[QUEUE_BENCH_STAGES]; /* of pipeline "p", in order; max_attempts 3 */
};
extern struct queue_bench qb;

/* A database of its own for each test. The end fails the test where penstock.verify() does. */
int queue_bench_open(void **state);
int queue_bench_close(void **state);
void queue_bench_verify(void);

int64_t queue_bench_host(const char *name); /* registers one more */
/* Jobs of {"n": 1}, {"n": 2} and so on without a body; the id of the first. */
int64_t queue_bench_enqueue(size_t n);
/* Of all priorities, from the first parcel on, under a new token. */
struct queue_claim queue_bench_claim(int32_t lane, int32_t want);
struct lease *queue_bench_take(int32_t lane, int32_t want);
/* All jobs of a lease, as one set that goes to `lane`. */
struct settle_set queue_bench_set(const struct lease *lease, enum settle_kind kind, int32_t lane);
/* From the job at `from` on, n of them. */
struct settle_set queue_bench_part(const struct lease *lease, enum settle_kind kind, int32_t lane,
                                   size_t from, size_t n);
/* A turn that only settles. */
enum status queue_bench_settle(const struct uuid *token, const struct settle *settle);
enum status queue_bench_end(const struct lease *lease, enum settle_kind kind, int32_t lane);

/* The integer that printf makes the query of. */
int64_t queue_bench_int(const char *format, ...) printf_like(1, 2);
/* Jobs in a state of the lane, as penstock.job_state() names it. */
int64_t queue_bench_jobs(int32_t lane, const char *state);

#endif
