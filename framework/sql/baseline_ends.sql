-- SPDX-License-Identifier: BSD-2-Clause
-- baseline_ends: What ended during a recording, in the order of time.
-- $1 baseline bigint
-- jobs int, us bigint
select e.jobs, e.us from penstock.baseline b, unnest(b.end_jobs, b.end_us) with ordinality as e(jobs, us, o) where b.id = $1 order by e.o;
