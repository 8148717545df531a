-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_lanes: Ready jobs and dead letters of each lane.
-- pipeline text, stage text, position int: negative when the pipeline has no such stage any more; ready bigint, dead bigint,
-- seconds float8: the age of the first ready job; paused float8: seconds, null: it is not
select pipeline, stage, position::int as position, ready::bigint, dead::bigint, extract(epoch from oldest)::float8 as seconds,
       extract(epoch from clock_timestamp() - paused_at)::float8 as paused
from penstock.lanes
order by 1, 3, 2;
