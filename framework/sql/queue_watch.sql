-- SPDX-License-Identifier: BSD-2-Clause
-- queue_watch: What people asked for: running jobs that shall end, paused lanes.
-- $1 lanes int[]
-- cancelled bigint (job), paused int (lane): one of them in each row
select cancelled, paused from penstock.watch($1);
