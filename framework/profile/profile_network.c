/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_network.c - throughput of a closed network of queues.
 *
 * One class of customers; each station has one queue in front of its servers.
 * By convolution (Buzen, "Computational algorithms for closed queueing
 * networks with exponential servers", 1973): all its terms are positive, while
 * mean value analysis, which gives the same, loses its digits where a station of
 * several servers is nearly full.
 */
#include "profile/profile.h"

#include <math.h>
#include <stdlib.h>

/* Everything is divided by this much time, so that sums stay near one: the throughput does not
 * care. */
static double
scale_of(const struct profile_station *stations, size_t n, double delay, unsigned customers)
{
	double scale = delay / customers;

	for (size_t i = 0; i < n; i++)
		scale = fmax(scale, stations[i].demand / fmax(stations[i].servers, 1e-9));
	return scale;
}

/* Multiplies in a station where `servers` are at work at once; INFINITY: nobody ever waits. */
static void
convolve(long double *sums, unsigned customers, long double demand, double servers)
{
	long double *weights = mem_array(NULL, customers + 1, sizeof *weights);

	weights[0] = 1;
	for (unsigned k = 1; k <= customers; k++)
		weights[k] = weights[k - 1] * demand / (k < servers ? (double)k : servers);
	for (unsigned k = customers; k > 0; k--)
		for (unsigned j = 1; j <= k; j++)
			sums[k] += weights[j] * sums[k - j];
	free(weights);
}

double
profile_network(const struct profile_station *stations, size_t n, double delay, unsigned customers)
{
	double scale, rate;
	long double *sums;

	if (customers == 0)
		return 0;
	scale = scale_of(stations, n, delay, customers);
	if (scale <= 0)
		return INFINITY;
	sums = mem_array(NULL, customers + 1, sizeof *sums);
	for (unsigned k = 0; k <= customers; k++)
		sums[k] = k == 0;
	convolve(sums, customers, delay / scale, INFINITY);
	for (size_t i = 0; i < n; i++)
		convolve(sums, customers, stations[i].demand / scale,
		         fmax(stations[i].servers, 1e-9));
	rate = (double)(sums[customers - 1] / sums[customers]) / scale;
	free(sums);
	return rate;
}
