/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue_priv.h - what the files of queue/ share.
 */
#ifndef PENSTOCK_QUEUE_PRIV_H
#define PENSTOCK_QUEUE_PRIV_H

#include "queue/queue.h"
#include "sql_text.h"

/* SQL with PS001 is the database's way to say FENCED, and 55P03 TIMEOUT. The fault says which, so
 * it may not be NULL. */
enum status queue_meaning(enum status status, struct fault *fault);
/* As db_call_int(), with what the queue means by the errors. */
enum status queue_number(struct db *db, const char *sql, const struct db_args *args, int64_t *ret,
                         struct fault *fault);

#endif
