/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * detached.h - a thread that nobody waits for, as the stages that promise use it.
 */
#ifndef PENSTOCK_TEST_DETACHED_H
#define PENSTOCK_TEST_DETACHED_H

#include <pthread.h>
#include <stdbool.h>

/* False: there was no room for one more thread. */
static inline bool
detached_start(void *(*run)(void *), void *data)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attr, run, data);
	pthread_attr_destroy(&attr);
	return error == 0;
}

#endif
