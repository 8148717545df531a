-- SPDX-License-Identifier: BSD-2-Clause
-- baseline_stages: The stages of a recording, in their order.
-- $1 baseline bigint
-- position int, stage text, release text, calls bigint, jobs bigint, errors bigint, wall_ns bigint, cpu_ns bigint, db_ns bigint,
-- allocated bigint, lost bigint, kept int (single calls)
select position, stage, release, calls, jobs, errors, wall_ns, cpu_ns, db_ns, allocated, lost, pg_catalog.cardinality(call_jobs) as kept
from penstock.baseline_stage where baseline = $1 order by position;
