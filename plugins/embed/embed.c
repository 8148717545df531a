/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * embed.c - give each passage a vector, without a network or a model.
 *
 * Reads what chunk wrote and writes it again with vectors; how a text becomes
 * one is in features.c. The path of headings counts with the passage below it.
 */
#include "embed_priv.h"

#include "../chunk/passages.h"

#include <penstock.h>

#include <stdlib.h>

PS_OPTIONS(embed, PS_INT(dimensions, 256, 16, 4096, "numbers of a vector, a multiple of 8"))

PS_COUNTERS(embed, PS_COUNTER(passages, "passages", "passages given a vector"))

static int
embed_open(const struct ps_open *open, void **ret_instance)
{
	const struct embed_options *opt = open->options;

	*ret_instance = NULL;
	if (opt->dimensions % 8 == 0)
		return 0;
	ps_open_error(open, "dimensions must be a multiple of 8");
	return 1;
}

/* The counts of a worker's texts: their room is kept from text to text. */
static int
embed_thread_init(void *instance, void **ret_thread)
{
	(void)instance;
	*ret_thread = calloc(1, sizeof(struct features));
	return *ret_thread ? 0 : 1;
}

static void
embed_thread_fini(void *instance, void *thread)
{
	(void)instance;
	features_done(thread);
	free(thread);
}

static bool
embed_passage(struct features *features, const struct passages *p, uint32_t i, double *vector,
              uint32_t dimensions)
{
	struct passage passage = passages_get(p, i);

	if (!features_clear(features, (size_t)passage.heading_length + passage.length))
		return false;
	features_count(features, passage.heading, passage.heading_length);
	features_count(features, passage.text, passage.length);
	features_vector(features, vector, dimensions);
	return true;
}

static enum ps_outcome
embed_all(struct ps_call *call, const struct passages *p, unsigned char *bytes,
          struct features *features)
{
	uint32_t dimensions = (uint32_t)ps_options(call, embed)->dimensions;
	double *vector = ps_alloc(call, dimensions * sizeof *vector);

	for (uint32_t i = 0; i < p->n; i++) {
		if (i % 64 == 0 && ps_cancelled(call, ps_this(call)))
			return ps_retry(call, ps_this(call), -1, "STOPPED", "given up on request");
		if (!embed_passage(features, p, i, vector, dimensions))
			return ps_retry(call, ps_this(call), -1, "NO_MEMORY", "out of memory");
		for (uint32_t d = 0; d < dimensions; d++)
			passages_put_float(bytes, p->n, (size_t)i * dimensions + d,
			                   (float)vector[d]);
	}
	ps_count(call, embed_passages, p->n);
	return PS_DONE;
}

static enum ps_outcome
embed(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	uint32_t dimensions = (uint32_t)ps_options(call, embed)->dimensions;
	enum ps_outcome outcome;
	struct passages p;
	unsigned char *bytes;
	const void *body;
	size_t len;

	body = ps_body(call, in, &len);
	if (!body && len > 0)
		return ps_retry(call, ps_this(call), -1, "NO_BODY",
		                "the body could not be fetched");
	if (!passages_open(body, len, &p))
		return ps_fail(call, ps_this(call), "NOT_PASSAGES",
		               "the body is not the output of the stage chunk");
	len = passages_size(p.n, dimensions, p.headings_len, p.text_len);
	bytes = ps_alloc(call, len);
	passages_copy(bytes, &p, dimensions);
	outcome = embed_all(call, &p, bytes, call->thread);
	if (outcome != PS_DONE)
		return outcome;
	if (ps_set_body(call, out, bytes, len) != PS_OK)
		return ps_fail(call, ps_this(call), "TOO_LARGE",
		               "the passages and their vectors are larger than a body may be");
	return ps_done(call, ps_this(call), NULL);
}

PS_STAGE_EACH(embed, "1.0.0", "Gives passages vectors by feature hashing, offline",
              PS_OPEN(embed_open), PS_THREAD_INIT(embed_thread_init),
              PS_THREAD_FINI(embed_thread_fini), PS_WITH_COUNTERS(embed))
