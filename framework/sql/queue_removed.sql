-- SPDX-License-Identifier: BSD-2-Clause
-- queue_removed: Jobs at stages that nobody will serve any more: no host of another supervisor does.
-- $1 pipelines text[], $2 stages text[], $3 supervisor uuid
-- pipeline text, stage text, jobs bigint (ready, running, deferred, waiting): stages that have some
select l.pipeline, l.stage, (l.ready + l.running + l.deferred + l.waiting)::bigint as jobs
from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) with ordinality as u(pipeline, stage, o)
join penstock.lanes l on l.pipeline = u.pipeline and l.stage = u.stage
where l.ready + l.running + l.deferred + l.waiting > 0
  and not exists (select from penstock.host h where h.supervisor is distinct from $3::uuid and l.lane = any (h.lanes))
order by u.o;
