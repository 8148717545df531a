/* SPDX-License-Identifier: BSD-2-Clause */
/* serial.c - never two calls at once: a plain counter without a lock stays right. */
#include <penstock.h>

#include <stdlib.h>

PS_OPTIONS(serial)

static int
serial_open(const struct ps_open *open, void **ret_instance)
{
	(void)open;
	*ret_instance = calloc(1, sizeof(int64_t));
	return *ret_instance ? 0 : 1;
}

static enum ps_outcome
serial(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	int64_t *n = call->instance;

	(void)in;
	ps_set_int(call, out, "n", ++*n);
	return PS_DONE;
}

PS_STAGE_EACH(serial, "1.0.0", "Counts jobs without a lock", PS_OPEN(serial_open), PS_CLOSE(free),
              PS_THREADING(PS_SERIAL))
