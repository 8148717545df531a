-- SPDX-License-Identifier: BSD-2-Clause
-- depths: How many jobs are ready and leased in each lane, and how old the first ready one is. Cheap: to be asked every second.
-- $1 pipeline text, null: all
-- pipeline text, stage text, ready bigint, leased bigint, oldest_s float8: null when none is ready
select pipeline, stage, ready::bigint, leased::bigint, extract(epoch from oldest)::float8 as oldest_s
from penstock.depths
where $1::text is null or pipeline = $1::text
order by pipeline, position;
