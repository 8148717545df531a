-- SPDX-License-Identifier: BSD-2-Clause
-- baseline_settled: Sets of jobs of a pipeline that completed since a recording began, in the order of time.
-- $1 pipeline text, $2 since text, $3 block bigint: none before it is looked at, $4 most int: jobs
-- jobs int, us bigint (from creation to the end, added up)
with ended as (
	select s.id, s.at, s.jobs, sum(s.n) over (order by s.at, s.id) as so_far
	from penstock.settled s
	join penstock.lane l on l.id = s.lane
	join penstock.pipeline p on p.id = l.pipeline
	where p.name = $1 and s.block >= $3 and s.at >= $2::timestamptz and s.outcome = 2
)
select count(*)::int as jobs, sum(extract(epoch from e.at - j.created_at) * 1000000)::bigint as us
from ended e, pg_catalog.unnest(e.jobs) r, pg_catalog.generate_series(pg_catalog.lower(r), pg_catalog.upper(r) - 1) i, penstock.job j
where e.so_far <= $4::int and j.id = i
group by e.id, e.at
order by e.at, e.id;
