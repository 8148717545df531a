-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_snapshots: Sessions that keep dead rows from being removed, the oldest first. VACUUM's own do not count.
-- pid int, application text, role text, state text, kind text, query text, transactions bigint: begun since; seconds float8: null
-- where this role may not see it
select a.pid, a.application_name as application, a.usename::text as role, a.state, a.backend_type as kind,
       left(regexp_replace(a.query, '\s+', ' ', 'g'), 120) as query,
       greatest(age(a.backend_xmin), age(a.backend_xid))::bigint as transactions,
       extract(epoch from clock_timestamp() - a.xact_start)::float8 as seconds
from pg_stat_activity a
where (a.backend_xmin is not null or a.backend_xid is not null) and a.pid <> pg_backend_pid()
  and (a.datid is null or a.datname = current_database()) and coalesce(a.backend_type, '') <> 'autovacuum worker'
  and not exists (select from pg_stat_progress_vacuum v where v.pid = a.pid)
order by 7 desc, 8 desc nulls last limit 10;
