-- SPDX-License-Identifier: BSD-2-Clause
-- schedule_list: Schedules, the next one first.
-- no arguments
-- name text, pipeline text, cron text, time_zone text, catch_up text, next_at timestamptz, last_at timestamptz, source text (null: a command)
select name, pipeline, cron, time_zone, catch_up, case when isfinite(next_at) then next_at end as next_at, last_at, source
from penstock.schedules order by schedules.next_at, name;
