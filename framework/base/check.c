/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.c - the end of a process that found a bug of its own.
 */
#include <stdlib.h>

#include "base/base.h"

_Noreturn void
check_failed(const char *expr, const char *file, int line)
{
	fprintf(stderr, "penstock: bug: %s:%d: check failed: %s\n", file, line, expr);
	abort();
}
