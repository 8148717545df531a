-- SPDX-License-Identifier: BSD-2-Clause
-- reasons: Why jobs of a pipeline ended dead or discarded, most frequent first.
-- $1 pipeline text, $2 most rows int
-- state text, stage text, code text, jobs bigint, example bigint, message text
select x.state, l.stage, f.code, count(*) as jobs, min(f.job) as example, min(f.message) as message
from (select 'dead' as state, q.lane, g.id
      from penstock.dead q, pg_catalog.unnest(q.jobs) r, generate_series(pg_catalog.lower(r), pg_catalog.upper(r) - 1) as g(id)
      union all
      select 'discarded', q.lane, g.id
      from penstock.settled q, pg_catalog.unnest(q.jobs) r, generate_series(pg_catalog.lower(r), pg_catalog.upper(r) - 1) as g(id)
      where q.outcome = 3) x
join penstock.lane l on l.id = x.lane
join penstock.pipeline p on p.id = l.pipeline
join lateral (select * from penstock.failure f where f.job = x.id order by f.id desc limit 1) f on true
where $1::text is null or p.name = $1::text
group by x.state, l.stage, f.code order by count(*) desc, x.state, l.stage
limit $2::int;
