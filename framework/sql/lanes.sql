-- SPDX-License-Identifier: BSD-2-Clause
-- lanes: The queue in front of each stage; of stages that their pipeline has no more, those that hold something.
-- $1 pipeline text, null: all
-- pipeline text, stage text, ready bigint, running bigint, deferred bigint, waiting bigint, dead bigint, parcels bigint, oldest_s float8,
-- paused boolean, removed boolean, estimated boolean: ready and parcels are, of a deep lane
select pipeline, stage, ready::bigint, running::bigint, deferred::bigint, waiting::bigint, dead::bigint, parcels::bigint,
       extract(epoch from oldest)::float8 as oldest_s, paused_at is not null as paused, position < 0 as removed, estimated
from penstock.lanes
where ($1::text is null or pipeline = $1::text) and (position >= 0 or ready + running + deferred + waiting + dead > 0)
order by pipeline, position < 0, position, stage;
