-- SPDX-License-Identifier: BSD-2-Clause
-- jobs_cancel: Cancels the jobs that a filter means.
-- $1 pipeline text, $2 stage text, $3 state text, $4 attribute text, $5 its value text (null: any), $6 only count them boolean
-- jobs bigint: that are meant, cancelled bigint, running bigint: asked to end
select pg_catalog.cardinality(m.ids)::bigint as jobs, c.cancelled, c.running
from (select array(select id from penstock.find_jobs($1, $2, $3, $4, $5) where state in ('ready', 'running', 'deferred', 'waiting')) as ids) m
cross join lateral penstock.cancel(case when not $6::boolean then m.ids end) c;
