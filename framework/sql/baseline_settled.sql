-- SPDX-License-Identifier: BSD-2-Clause
-- baseline_settled: Sets of jobs of a pipeline that completed since a recording began, in the order of time. The LIMIT fences, as in
-- queue_messages.
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
from ended e, pg_catalog.unnest(e.jobs) r
cross join lateral (select * from penstock.job j where j.id >= pg_catalog.lower(r) and j.id < pg_catalog.upper(r)
                    order by j.id limit pg_catalog.upper(r) - pg_catalog.lower(r)) j
where e.so_far <= $4::int
group by e.id, e.at
order by e.at, e.id;
