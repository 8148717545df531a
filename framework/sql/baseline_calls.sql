-- SPDX-License-Identifier: BSD-2-Clause
-- baseline_calls: The single calls of one stage of a recording, in the order of time.
-- $1 baseline bigint, $2 position int
-- jobs int, errors int, wall_ns bigint, cpu_ns bigint, db_ns bigint, allocated bigint
select c.jobs, c.errors, c.wall_ns, c.cpu_ns, c.db_ns, c.allocated
from penstock.baseline_stage s,
     unnest(s.call_jobs, s.call_errors, s.call_wall, s.call_cpu, s.call_db, s.call_allocated) with ordinality
         as c(jobs, errors, wall_ns, cpu_ns, db_ns, allocated, o)
where s.baseline = $1 and s.position = $2 order by c.o;
