-- SPDX-License-Identifier: BSD-2-Clause
-- queue_change: Has an earlier change of the pipelines been committed, and which transaction is
-- this one? One that a server which took over never saw has not.
-- $1 id bigint: of the earlier transaction, 0 when there was none
-- committed boolean, id bigint
select case when $1::bigint > 2 and $1::text::xid8 < pg_snapshot_xmax(pg_current_snapshot())
            then coalesce(pg_xact_status($1::text::xid8) = 'committed', false)
            else false end as committed,
       pg_current_xact_id()::text::bigint as id;
