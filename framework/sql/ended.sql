-- SPDX-License-Identifier: BSD-2-Clause
-- ended: How many jobs of a pipeline ended, by outcome.
-- $1 pipeline text, null: all
-- pipeline text, completed bigint, discarded bigint, cancelled bigint
select p.name as pipeline, coalesce(sum(s.n) filter (where s.outcome = 2), 0)::bigint as completed,
       coalesce(sum(s.n) filter (where s.outcome = 3), 0)::bigint as discarded,
       coalesce(sum(s.n) filter (where s.outcome = 4), 0)::bigint as cancelled
from penstock.pipeline p
join penstock.lane l on l.pipeline = p.id
left join (select lane, outcome, n from penstock.settled union all select lane, outcome, n from penstock.total) s on s.lane = l.id
where $1::text is null or p.name = $1::text
group by p.name order by p.name;
