-- SPDX-License-Identifier: BSD-2-Clause
-- queue_lanes: The lanes of stages, whether their pipeline still has them or not.
-- $1 pipeline text, $2 stages text[]
-- lane int, one row a stage, in order; null: there is none
select l.id as lane
from pg_catalog.unnest($2::text[]) with ordinality as u(stage, o)
left join (penstock.lane l join penstock.pipeline p on p.id = l.pipeline and p.name = $1::text) on l.stage = u.stage
order by u.o;
