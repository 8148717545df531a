-- SPDX-License-Identifier: BSD-2-Clause
-- lanes: The queue in front of each stage.
-- $1 pipeline text, null: all
-- pipeline text, stage text, ready bigint, running bigint, deferred bigint, waiting bigint, dead bigint, parcels bigint, oldest_s float8,
-- paused boolean
select pipeline, stage, ready::bigint, running::bigint, deferred::bigint, waiting::bigint, dead::bigint, parcels::bigint,
       extract(epoch from oldest)::float8 as oldest_s, paused_at is not null as paused
from penstock.lanes
where $1::text is null or pipeline = $1::text
order by pipeline, position;
