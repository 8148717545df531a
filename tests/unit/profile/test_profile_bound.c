/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_profile_bound.c - the model of a pipeline, on tables of numbers.
 *
 * Each row describes a pipeline whose truth is known by hand: how long a job
 * takes of what, how many workers and cores there are, and the throughput
 * that follows. What counters would have shown of it goes in.
 */
#include "profile/profile.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STAGES_MOST 5
#define SECONDS 10.0

static void
near(double got, double wanted, double within)
{
	if (!(fabs(got - wanted) <= within * fabs(wanted) + 1e-12))
		fail_msg("got %.6g, wanted %.6g within %.3g", got, wanted, within);
}

/* ---- networks of queues ---- */

static void
one_customer_never_waits(void **state)
{
	const struct profile_station s[] = { { 2, 1 }, { 3, 4 } };

	(void)state;
	near(profile_network(s, 2, 5, 1), 1.0 / 10, 1e-9);
}

static void
known_networks_give_their_known_throughput(void **state)
{
	const struct profile_station two[] = { { 1, 1 }, { 1, 1 } }, pair = { 1, 2 },
	                             half = { 1, 0.5 };

	(void)state;
	near(profile_network(two, 2, 0, 2), 2.0 / 3, 1e-9); /* balanced: N / (N + 1) */
	near(profile_network(two, 2, 0, 9), 9.0 / 10, 1e-9);
	near(profile_network(&pair, 1, 0, 2), 2, 1e-9);        /* a server each */
	near(profile_network(&pair, 1, 1, 3), 12 / 8.5, 1e-9); /* by its birth-death equations */
	near(profile_network(&half, 1, 0, 7), 0.5, 1e-9);
}

static void
throughput_never_passes_the_asymptotic_bounds_and_reaches_them(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 200; n++) {
		const struct profile_station s[] = { { 0.010, 8 }, { 0.002, 1 } };
		double x = profile_network(s, 2, 0.1, n);

		assert_true(x <= n / 0.112 + 1e-9);
		assert_true(x <= 500 + 1e-9);
	}
	{
		const struct profile_station s[] = { { 0.010, 8 }, { 0.002, 1 } };

		near(profile_network(s, 2, 0.1, 1000), 500, 0.001);
	}
}

static void
degenerate_networks_have_an_answer(void **state)
{
	const struct profile_station nothing = { 0, 1 };

	(void)state;
	assert_true(profile_network(NULL, 0, 1, 0) == 0);
	near(profile_network(NULL, 0, 2, 6), 3, 1e-9);
	assert_true(isinf(profile_network(&nothing, 1, 0, 3)));
}

/* ---- pipelines with a known truth ---- */

struct stage_truth {
	double cpu, waits, locked, later, server; /* s a job */
	bool serial;
	double max_in_flight, max_running, rate, lease; /* lease: jobs, with max_running */
};

struct truth {
	const char *sentence;
	double workers, cores, x; /* x: jobs a second that such a pipeline does */
	double queue_waits, queue_cpu;
	struct stage_truth stages[STAGES_MOST];
	enum profile_kind kind;
	enum profile_cap cap;
	size_t stage;
	double twice; /* jobs a second with that stage twice as fast */
};

/* Round numbers: what is limited is so by one resource alone, or two whose bounds are known. */
static const struct truth truths[] = {
	{ .sentence = "more workers than cores, and a stage that computes",
	  .workers = 6,
	  .cores = 2,
	  .x = 2 / 0.011,
	  .queue_cpu = 0.0005,
	  .stages = { { .cpu = 0.0002 }, { .cpu = 0.010 }, { .cpu = 0.0003 } },
	  .kind = PROFILE_CORES,
	  .stage = 1,
	  .twice = 2 / 0.006 },
	{ .sentence = "a worker for each core: it is the cores that hold",
	  .workers = 2,
	  .cores = 2,
	  .x = 2 / 0.0108,
	  .queue_waits = 0.0003,
	  .queue_cpu = 0.0002,
	  .stages = { { .cpu = 0.0002 }, { .cpu = 0.010 }, { .cpu = 0.0001 } },
	  .kind = PROFILE_CORES,
	  .stage = 1,
	  .twice = 2 / 0.0058 },
	{ .sentence = "a stage that sleeps holds the workers",
	  .workers = 4,
	  .cores = 2,
	  .x = 4 / 0.0225,
	  .queue_waits = 0.001,
	  .stages = { { .cpu = 0.0005 }, { .waits = 0.020 }, { .cpu = 0.001 } },
	  .kind = PROFILE_WORKERS,
	  .stage = 1,
	  .twice = 4 / 0.0125 },
	{ .sentence = "a row that all update",
	  .workers = 6,
	  .cores = 2,
	  .x = 1 / 0.005,
	  .stages = { { .cpu = 0.0005 }, { .locked = 0.005 }, { .cpu = 0.0002 } },
	  .kind = PROFILE_DATABASE,
	  .stage = 1,
	  .twice = 1 / 0.0025 },
	{ .sentence = "a server whose statements compute",
	  .workers = 6,
	  .cores = 2,
	  .x = 2 / 0.0105,
	  .stages = { { .cpu = 0.0005 }, { .server = 0.010 } },
	  .kind = PROFILE_DATABASE,
	  .stage = 1,
	  .twice = 2 / 0.0055 },
	{ .sentence = "a serial stage",
	  .workers = 6,
	  .cores = 2,
	  .x = 1 / 0.004,
	  .stages = { { .cpu = 0.0005 }, { .waits = 0.004, .serial = true } },
	  .kind = PROFILE_CAP,
	  .cap = CAP_SERIAL,
	  .stage = 1,
	  .twice = 1 / 0.002 },
	{ .sentence = "promises, of which few may be out",
	  .workers = 2,
	  .cores = 2,
	  .x = 8 / 0.040,
	  .stages = { { .cpu = 0.0005 }, { .later = 0.040, .cpu = 0.0001, .max_in_flight = 8 } },
	  .kind = PROFILE_CAP,
	  .cap = CAP_IN_FLIGHT,
	  .stage = 1,
	  .twice = 8 / 0.020 },
	{ .sentence = "a tenth of what a place of promises could do is lost between two of them",
	  .workers = 2,
	  .cores = 2,
	  .x = 8 / 0.044,
	  .stages = { { .cpu = 0.0005 }, { .later = 0.040, .cpu = 0.0001, .max_in_flight = 8 } },
	  .kind = PROFILE_CAP,
	  .cap = CAP_IN_FLIGHT,
	  .stage = 1,
	  .twice = 8 / 0.024 },
	{ .sentence = "few jobs at once over all hosts, a job a lease",
	  .workers = 6,
	  .cores = 2,
	  .x = 2 / 0.012,
	  .stages = { { .cpu = 0.0005 }, { .waits = 0.010, .max_running = 2, .lease = 1 } },
	  .kind = PROFILE_CAP,
	  .cap = CAP_RUNNING,
	  .stage = 1,
	  .twice = 2 / 0.007 },
	{ .sentence = "a second bound close behind the first",
	  .workers = 20,
	  .cores = 2,
	  .x = 2 / 0.014,
	  .stages = { { .cpu = 0.004 }, { .cpu = 0.010 }, { .locked = 0.0055 } },
	  .kind = PROFILE_CORES,
	  .stage = 1,
	  .twice = 1 / 0.0055 },
};

static double
cores_used(const struct truth *t)
{
	double used = t->queue_cpu;

	for (size_t i = 0; i < STAGES_MOST; i++)
		used += t->stages[i].cpu + t->stages[i].server;
	return used * t->x;
}

/* What counters show of `t`. Workers that have nothing else to do wait where the pipeline is
 * narrow: for a core, for the lock, for the serial stage; else they sleep. */
static void
show(const struct truth *t, struct profile_seen *seen, struct profile_seen_stage *stages)
{
	double jobs = t->x * SECONDS, busy = 0, rest;

	memset(stages, 0, STAGES_MOST * sizeof *stages);
	*seen = (struct profile_seen){
		.seconds = SECONDS,
		.samples = 500,
		.workers = t->workers,
		.processes = 1,
		.cores = t->cores,
		.stages = stages,
		.trips = (t->queue_waits + t->queue_cpu) * jobs,
		.host_cpu = t->queue_cpu * jobs,
		.least_ready = 100,
	};
	busy = (t->queue_waits + t->queue_cpu) * jobs;
	for (size_t i = 0; i < STAGES_MOST; i++) {
		const struct stage_truth *from = &t->stages[i];
		struct profile_seen_stage *to = &stages[i];
		double all = from->cpu + from->waits + from->locked + from->server;

		if (all + from->later <= 0)
			break;
		seen->n_stages++;
		to->name = "stage";
		to->jobs = to->came = jobs;
		to->calls = from->lease > 0 ? jobs / from->lease : jobs / 20;
		to->wall = all * jobs;
		to->cpu = from->cpu * jobs;
		to->db = (from->locked + from->server) * jobs;
		to->later = from->later * jobs;
		to->promised = from->later > 0 ? jobs : 0;
		to->serial = from->serial;
		to->max_in_flight = from->max_in_flight;
		to->in_flight = from->later * t->x;
		to->max_running = from->max_running;
		to->leased = from->max_running;
		to->rate = from->rate;
		seen->host_cpu += to->cpu;
		seen->server_cpu += from->server * jobs;
		seen->stage_active += (from->locked + from->server) * t->x;
		seen->stage_cpu += from->server * t->x;
		seen->lock_held += from->locked * t->x;
		busy += to->wall;
	}
	stages[seen->n_stages - 1].ended = jobs;
	rest = t->workers * SECONDS - busy;
	if (rest < 0)
		rest = 0;
	for (size_t i = 0; i < seen->n_stages; i++) {
		if (t->kind == PROFILE_DATABASE && t->stages[i].locked > 0) {
			stages[i].wall += rest;
			stages[i].db += rest;
			seen->stage_active += rest / SECONDS;
			seen->stage_lock = rest / SECONDS;
		} else if (cores_used(t) > 0.98 * t->cores) {
			stages[i].wall += rest * (stages[i].cpu + t->stages[i].server * jobs) /
			                  (seen->host_cpu + seen->server_cpu);
			if (t->stages[i].server > 0)
				stages[i].db = stages[i].wall;
			seen->cores_wait = rest;
		} else if (t->stages[i].serial) {
			stages[i].blocked = rest;
		} else if (t->kind == PROFILE_CAP && i == 0) {
			seen->idle = rest;
		}
	}
}

static void
every_binding_resource_is_named_and_twice_as_fast_is_foreseen(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(truths); i++) {
		const struct truth *t = &truths[i];
		struct profile_change change = { .kind = CHANGE_STAGE, .stage = t->stage };
		struct profile_seen_stage stages[STAGES_MOST];
		const struct profile_resource *r;
		struct profile_seen seen;
		struct profile p;
		double twice;

		show(t, &seen, stages);
		profile_make(&seen, &p);
		assert_int_equal(p.load, PROFILE_SATURATED);
		near(p.rate, t->x, 1e-9);
		r = &p.resources[p.binding];
		twice = profile_predict(&p, &seen, &change);
		print_message("%s: %s %s of stage %zu, %.1f/s; twice as fast %.1f/s, really %.1f\n",
		              t->sentence, profile_kind_name(r->kind), profile_cap_name(r->cap),
		              r->most, p.rate, twice, t->twice);
		assert_int_equal(r->kind, t->kind);
		assert_int_equal(r->cap, t->cap);
		assert_int_equal(r->most, t->stage);
		near(twice, t->twice, 0.15);
		assert_true(p.n_changes > 0);
		for (size_t k = 1; k < p.n_changes; k++)
			assert_true(p.changes[k].gain <= p.changes[k - 1].gain);
		profile_done(&p);
	}
}

static void
a_rate_binds_and_twice_the_rate_is_foreseen(void **state)
{
	struct truth t = { .workers = 4,
		           .cores = 2,
		           .x = 100,
		           .stages = { { .cpu = 0.0005 }, { .waits = 0.001, .rate = 100 } },
		           .kind = PROFILE_CAP };
	const struct profile_change change = { .kind = CHANGE_CAP, .cap = CAP_RATE, .stage = 1 };
	struct profile_seen_stage stages[STAGES_MOST];
	struct profile_seen seen;
	struct profile p;

	(void)state;
	show(&t, &seen, stages);
	profile_make(&seen, &p);
	assert_int_equal(p.resources[p.binding].cap, CAP_RATE);
	near(profile_predict(&p, &seen, &change), 200, 0.01);
	profile_done(&p);
}

static void
two_more_workers_help_where_workers_hold_and_not_where_cores_do(void **state)
{
	const struct profile_change change = { .kind = CHANGE_WORKERS };
	struct profile_seen_stage stages[STAGES_MOST];
	struct profile_seen seen;
	struct profile p;

	(void)state;
	show(&truths[2], &seen, stages);
	profile_make(&seen, &p);
	near(profile_predict(&p, &seen, &change), truths[2].x * 6 / 4, 0.03);
	profile_done(&p);
	show(&truths[0], &seen, stages);
	profile_make(&seen, &p);
	near(profile_predict(&p, &seen, &change), truths[0].x, 0.03);
	profile_done(&p);
}

static void
strangers_take_cores_only_as_far_as_they_make_us_wait(void **state)
{
	struct profile_seen_stage stages[STAGES_MOST];
	struct profile_seen seen;
	struct profile p;

	(void)state;
	show(&truths[2], &seen, stages);
	seen.cores_elsewhere = 1.9;
	seen.cores_wait = 0; /* they give way */
	profile_make(&seen, &p);
	near(p.cores, 2, 1e-9);
	assert_int_equal(p.resources[p.binding].kind, PROFILE_WORKERS);
	profile_done(&p);
	seen.cores_wait = 9 * seen.host_cpu; /* nine tenths of the time they do not */
	profile_make(&seen, &p);
	near(p.cores, 2 - 1.9 * 0.9, 1e-9);
	profile_done(&p);
	seen.cores_wait = PROFILE_UNKNOWN;
	profile_make(&seen, &p);
	near(p.cores, 0.1, 1e-9);
	profile_done(&p);
}

/* ---- visits ---- */

static void
visits_come_from_what_is_sent_not_from_what_came_out(void **state)
{
	struct profile_seen_stage s[3] = {
		{ .jobs = 1000 },                         /* ran ahead */
		{ .jobs = 100, .came = 1000, .from = 1 }, /* slow */
		{ .jobs = 50, .came = 50, .from = 2 },    /* half of them go on */
	};
	const struct profile_seen seen = { .seconds = 1, .stages = s, .n_stages = 3 };
	double visits[3];

	(void)state;
	profile_visits(&seen, visits);
	near(visits[0], 1, 1e-9);
	near(visits[1], 1, 1e-9);
	near(visits[2], 0.5, 1e-9);
}

static void
a_first_stage_that_is_held_does_not_hide_the_others(void **state)
{
	struct profile_seen_stage s[3] = {
		{ .jobs = 0 }, /* the queue behind it is full */
		{ .jobs = 100, .came = 0, .from = 1 },
		{ .jobs = 100, .came = 100, .from = 2 },
	};
	const struct profile_seen seen = { .seconds = 1, .stages = s, .n_stages = 3 };
	double visits[3];

	(void)state;
	profile_visits(&seen, visits);
	near(visits[1], 1, 1e-9);
	near(visits[2], 1, 1e-9);
}

static void
visits_count_retries_and_split_routes(void **state)
{
	struct profile_seen_stage s[4] = {
		{ .jobs = 1250, .again = 250 }, /* each fifth attempt fails */
		{ .jobs = 700, .came = 700, .from = 1 },
		{ .jobs = 300, .came = 300, .from = 1 },
		{ .jobs = 1000, .came = 1000, .from = 6 },
	};
	const struct profile_seen seen = { .seconds = 1, .stages = s, .n_stages = 4 };
	double visits[4];

	(void)state;
	profile_visits(&seen, visits);
	near(visits[0], 1.25, 1e-9);
	near(visits[1], 0.7, 1e-9);
	near(visits[2], 0.3, 1e-9);
	near(visits[3], 1, 1e-9);
}

/* ---- degenerate measurements ---- */

static void
check_finite(const struct profile *p)
{
	for (size_t i = 0; i < p->n_stages; i++) {
		assert_true(isfinite(p->stages[i].visits) && isfinite(p->stages[i].run_s));
		assert_true(isfinite(p->stages[i].wait_s) && isfinite(p->stages[i].share));
	}
	for (size_t i = 0; i < p->n_changes; i++)
		assert_true(isfinite(p->changes[i].rate) && isfinite(p->changes[i].gain));
}

static void
nothing_counted_is_no_load_and_not_a_number_nowhere(void **state)
{
	struct profile_seen_stage s[2] = { { .name = "a" }, { .name = "b", .ready = -1 } };
	struct profile_seen seen = { .seconds = 1,
		                     .workers = 2,
		                     .processes = 1,
		                     .cores = 2,
		                     .idle = 2,
		                     .stages = s,
		                     .n_stages = 2,
		                     .least_ready = PROFILE_UNKNOWN };
	struct profile p;

	(void)state;
	profile_make(&seen, &p);
	assert_int_equal(p.load, PROFILE_NO_JOBS);
	assert_int_equal(p.binding, p.n_resources);
	assert_int_equal(p.n_changes, 0);
	assert_true(p.little_holds);
	check_finite(&p);
	profile_done(&p);
	seen.n_stages = 0;
	profile_make(&seen, &p);
	assert_int_equal(p.load, PROFILE_NO_JOBS);
	profile_done(&p);
}

static void
a_pipeline_that_keeps_up_has_bounds_above_what_comes(void **state)
{
	struct truth t = truths[2];
	struct profile_seen_stage stages[STAGES_MOST];
	struct profile_seen seen;
	struct profile p;

	(void)state;
	t.x = 20; /* a ninth of what it could do */
	show(&t, &seen, stages);
	seen.idle = t.workers * SECONDS - t.x * SECONDS * 0.0225;
	seen.least_ready = 0;
	profile_make(&seen, &p);
	assert_int_equal(p.load, PROFILE_KEEPS_UP);
	near(p.bound, truths[2].x, 0.02);
	assert_int_equal(p.resources[p.binding].kind, PROFILE_WORKERS);
	check_finite(&p);
	profile_done(&p);
}

static void
clocks_that_disagree_lend_no_time(void **state)
{
	struct profile_seen_stage s[1] = {
		{ .jobs = 100, .ended = 100, .calls = 1, .wall = 1, .cpu = 1.5, .db = 2 }
	};
	const struct profile_seen seen = { .seconds = 1,
		                           .workers = 1,
		                           .processes = 1,
		                           .cores = 2,
		                           .host_cpu = 1.2,
		                           .server_cpu = 9,
		                           .cores_wait = 3,
		                           .stage_lock = 5,
		                           .lock_held = 1,
		                           .stages = s,
		                           .n_stages = 1,
		                           .least_ready = 1 };
	struct profile p;

	(void)state;
	profile_make(&seen, &p);
	for (size_t i = 0; i <= p.n_stages; i++) {
		assert_true(p.parts[i].waits >= 0 && p.parts[i].locked >= 0);
		assert_true(p.parts[i].cpu >= 0 && p.parts[i].server >= 0);
	}
	check_finite(&p);
	profile_done(&p);
}

/* ---- Little's law ---- */

static void
counters_that_do_not_fit_together_are_told(void **state)
{
	struct profile_seen_stage s[1] = { { .jobs = 1000,
		                             .ended = 1000,
		                             .calls = 1000,
		                             .wall = 10,
		                             .cpu = 1,
		                             .timed = 1000,
		                             .time_sum = 10.2,
		                             .inside = 1.02 } };
	struct profile_seen seen = { .seconds = 10,
		                     .samples = 500,
		                     .workers = 2,
		                     .processes = 1,
		                     .cores = 2,
		                     .host_cpu = 1,
		                     .idle = 9,
		                     .stages = s,
		                     .n_stages = 1,
		                     .least_ready = 1 };
	struct profile p;

	(void)state;
	profile_make(&seen, &p);
	assert_true(p.little_holds);
	near(p.stages[0].little_xr, 1.02, 1e-9);
	profile_done(&p);
	s[0].inside = 1.6; /* the histogram has only two thirds of what workers were seen in */
	profile_make(&seen, &p);
	assert_false(p.little_holds);
	profile_done(&p);
	s[0].timed = 5; /* too few to say */
	profile_make(&seen, &p);
	assert_true(p.little_holds);
	profile_done(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_customer_never_waits),
		cmocka_unit_test(known_networks_give_their_known_throughput),
		cmocka_unit_test(throughput_never_passes_the_asymptotic_bounds_and_reaches_them),
		cmocka_unit_test(degenerate_networks_have_an_answer),
		cmocka_unit_test(every_binding_resource_is_named_and_twice_as_fast_is_foreseen),
		cmocka_unit_test(a_rate_binds_and_twice_the_rate_is_foreseen),
		cmocka_unit_test(two_more_workers_help_where_workers_hold_and_not_where_cores_do),
		cmocka_unit_test(strangers_take_cores_only_as_far_as_they_make_us_wait),
		cmocka_unit_test(visits_come_from_what_is_sent_not_from_what_came_out),
		cmocka_unit_test(a_first_stage_that_is_held_does_not_hide_the_others),
		cmocka_unit_test(visits_count_retries_and_split_routes),
		cmocka_unit_test(nothing_counted_is_no_load_and_not_a_number_nowhere),
		cmocka_unit_test(a_pipeline_that_keeps_up_has_bounds_above_what_comes),
		cmocka_unit_test(clocks_that_disagree_lend_no_time),
		cmocka_unit_test(counters_that_do_not_fit_together_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
