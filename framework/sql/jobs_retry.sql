-- SPDX-License-Identifier: BSD-2-Clause
-- jobs_retry: Makes deferred jobs due now, and replays dead ones.
-- $1 pipeline text, $2 stage text, $3 state text, $4 attribute text, $5 its value text (null: any), $6 only count them boolean
-- jobs bigint: that are meant, due bigint, replayed bigint
select pg_catalog.cardinality(m.deferred)::bigint + pg_catalog.cardinality(m.dead) as jobs,
       penstock.retry(case when not $6::boolean then m.deferred end) as due, penstock.replay(case when not $6::boolean then m.dead end) as replayed
from (select coalesce(pg_catalog.array_agg(id) filter (where state = 'deferred'), '{}') as deferred, coalesce(pg_catalog.array_agg(id) filter (where state = 'dead'), '{}') as dead
      from penstock.find_jobs($1, $2, $3, $4, $5)) m;
