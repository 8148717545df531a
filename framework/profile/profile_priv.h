/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_priv.h - what the files of profile/ share.
 */
#ifndef PENSTOCK_PROFILE_PRIV_H
#define PENSTOCK_PROFILE_PRIV_H

#include "profile/profile.h"

/* Less of the time than this that somebody waited for a lock is no queue. */
#define LOCK_SEEN 0.05

/* CPU of the server that is not behind the lock that it holds. */
static inline double
profile_server_apart(const struct profile_part *part)
{
	return part->server > part->locked ? part->server - part->locked : 0;
}
/* Fills parts from what was seen; visits are there. */
void profile_demands(const struct profile_seen *seen, struct profile *p);
/* Fills resources, and which of them binds. */
void profile_bounds(const struct profile_seen *seen, struct profile *p);
/* Sum over stages and queue of what a part asks of the kind of resource. */
double profile_part_demand(const struct profile_part *part, const struct profile_resource *r);
/* Fills what is said of each stage, Little's law with it. */
void profile_say_stages(const struct profile_seen *seen, struct profile *p);
/* Fills the factor and the list of changes. */
void profile_changes(const struct profile_seen *seen, struct profile *p);

#endif
