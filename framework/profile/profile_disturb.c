/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_disturb.c - how much longer things took because of what else the machine did.
 *
 * Note on stretching: a thread that is ready and has no core waits for those that
 * have one. Of the cores' time at that moment, others have the part others /
 * (ours + others); so that part of the time that ours waited is on their
 * account. The kernel counts the waiting, so no schedule has to be assumed; where it
 * does not, cores are taken as shared evenly, and then work takes 1 / (1 - load of
 * others) as long (the conditional response time of processor sharing: Kleinrock,
 * "Queueing Systems", vol. 2, ch. 4.4). What a hypervisor stole stands still in
 * nobody's queue: it stretches everything that was busy alike.
 *
 * CPU seconds are not stretched: caches and clock rates that are shared show there, by
 * a per cent or so, and are not known.
 */
#include "profile/profile.h"

#include <math.h>

/* An open loop's queue answers to a hundredth less capacity by more than a hundredth, and near its
 * limit by any factor: with more than this it cannot be judged. */
#define OPEN_LOOP_MOST 0.05
/* Work is at no time held by more than this: of ten seconds one is left. */
#define HELD_MOST 0.9

static double
ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

/* Seconds that ours waited for cores because others had them. */
static double
waited_for_others(const struct profile_machine *m)
{
	double load;

	if (m->waited >= 0)
		return m->waited * ratio(m->others, m->used + m->others);
	load = fmin(ratio(m->others, m->cores * m->seconds), HELD_MOST);
	return m->used * load / (1 - load);
}

static double
stretch_by_stealing(const struct profile_machine *m)
{
	return ratio(m->stolen, m->used + m->others);
}

double
profile_stretch(const struct profile_machine *m)
{
	if (!m->known)
		return 0;
	return (1 + ratio(waited_for_others(m), m->used)) * (1 + stretch_by_stealing(m)) - 1;
}

/* Nobody counts for which stage a thread waited. It does so when it loses its core, which comes as
 * its CPU time does, and when it wants one back after a pause, which comes with any time; the
 * larger of both shares is taken, but while it was on a core it did not wait. */
double
profile_stretch_wall(const struct profile_machine *m, double wall, double cpu, double db,
                     double all_wall)
{
	double stretch = profile_stretch(m), by_cpu, by_wall, held;

	if (!m->known || wall <= 0)
		return 0;
	by_cpu = ratio(cpu * stretch + db * stretch / (1 + stretch), wall);
	by_wall = ratio(stretch * m->used, all_wall);
	held = fmin(fmax(by_cpu, by_wall), fmin(1 - cpu / wall, HELD_MOST));
	return held > 0 ? held / (1 - held) : 0;
}

/* In a closed loop the time is jobs in flight over throughput (Little's law), and a network in
 * which all times of service grow by a factor loses no more than that factor of throughput. */
double
profile_stretch_end_to_end(const struct profile_machine *m, bool closed)
{
	double stretch = profile_stretch(m);

	return closed || stretch <= OPEN_LOOP_MOST ? stretch : INFINITY;
}
