/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * histogram.c - exponential buckets of time: eight an octave.
 *
 * The bucket of a value needs its highest bit and three compares, no
 * logarithm. What is shorter than 2^HISTOGRAM_LEAST ns counts in the first
 * bucket, what is longer than the last bucket in that one.
 */
#include "counters/counters.h"

#include <math.h>

/* 2^(k/8) as 1.63 fixed point, rounded up: the least mantissa of sub-bucket k. */
static const uint64_t mantissa[8] = {
	0x8000000000000000u, 0x8b95c1e3ea8bd6e7u, 0x9837f0518db8a970u, 0xa5fed6a9b15138ebu,
	0xb504f333f9de6485u, 0xc5672a115506dadeu, 0xd744fccad69d6af5u, 0xeac0c6e7dd24392fu,
};

unsigned
histogram_bucket(uint64_t ns)
{
	unsigned octave, sub;
	uint64_t m;

	if (ns < UINT64_C(1) << HISTOGRAM_LEAST)
		return 0;
	octave = 63u - (unsigned)__builtin_clzll(ns);
	if (octave >= HISTOGRAM_LEAST + HISTOGRAM_OCTAVES)
		return HISTOGRAM_BUCKETS - 1;
	m = ns << (63u - octave);
	sub = m >= mantissa[4] ? 4 : 0;
	sub += m >= mantissa[sub + 2] ? 2 : 0;
	sub += m >= mantissa[sub + 1] ? 1 : 0;
	return (octave - HISTOGRAM_LEAST) * 8 + sub;
}

double
histogram_least(unsigned bucket)
{
	return exp2(HISTOGRAM_LEAST + bucket / 8.0);
}

/* The harmonic middle 2ab/(a+b) errs equally at both ends of a bucket [a, b): by
 * (b - a)/(b + a) = 4.33 %. The geometric one errs by 4.43 % at its lower end. */
double
histogram_middle(unsigned bucket)
{
	double a = histogram_least(bucket), b = histogram_least(bucket + 1);

	return 2 * a * b / (a + b);
}

double
histogram_quantile(const struct histogram *h, double q)
{
	double rank;
	uint64_t seen = 0;
	unsigned last = 0;

	if (h->n == 0)
		return 0;
	rank = ceil(q * (double)h->n);
	if (rank < 1)
		rank = 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h->bucket[i] == 0)
			continue;
		last = i;
		seen += h->bucket[i];
		if ((double)seen >= rank)
			break;
	}
	return histogram_middle(last);
}
