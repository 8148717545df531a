-- SPDX-License-Identifier: BSD-2-Clause
-- metrics_queues: Jobs in front of each stage, for monitoring: sums over sets.
-- pipeline text, stage text, ready bigint, running bigint, deferred bigint, waiting bigint, dead bigint, oldest_s float8
select pipeline, stage, ready::bigint, running::bigint, deferred::bigint, waiting::bigint, dead::bigint,
       extract(epoch from oldest)::float8 as oldest_s
from penstock.lanes
order by pipeline, position;
