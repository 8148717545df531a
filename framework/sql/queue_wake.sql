-- SPDX-License-Identifier: BSD-2-Clause
-- queue_wake: Moves due jobs to ready.
-- $1 most sets int
-- jobs bigint; next_ms bigint: until the next set is due, null when there is none
select jobs, next_ms from penstock.wake($1);
