-- SPDX-License-Identifier: BSD-2-Clause
-- queue_fire: Fires the schedules that are due.
-- no arguments
-- jobs bigint; next_ms bigint: until the next one is due, null when there is none
select jobs, next_ms from penstock.fire_schedules(clock_timestamp());
