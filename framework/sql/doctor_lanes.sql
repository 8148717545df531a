-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_lanes: Jobs and dead letters of each lane, and who serves it.
-- pipeline text, stage text, position int: negative when the pipeline has no such stage any more; ready bigint, dead bigint,
-- seconds float8: the age of the first ready job; paused float8: seconds, null: it is not; held bigint: jobs that have not ended and
-- are not dead; hosts text: ids, with a blank between
select pipeline, stage, position::int as position, ready::bigint, dead::bigint, extract(epoch from oldest)::float8 as seconds,
       extract(epoch from clock_timestamp() - paused_at)::float8 as paused, (ready + running + deferred + waiting)::bigint as held,
       (select string_agg(h.id::text, ' ') from penstock.host h where lane = any (h.lanes)) as hosts
from penstock.lanes
order by 1, 3, 2;
