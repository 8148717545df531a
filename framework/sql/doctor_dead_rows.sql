-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_dead_rows: Dead rows in the tables that every claim and settlement writes.
-- name text, live bigint, dead bigint, bytes bigint, seconds float8: since autovacuum was here, null: never; off boolean: autovacuum
-- is turned off for it
select s.relname::text as name, s.n_live_tup as live, s.n_dead_tup as dead, pg_table_size(s.relid) as bytes,
       extract(epoch from clock_timestamp() - s.last_autovacuum)::float8 as seconds,
       exists (select from pg_options_to_table(c.reloptions) where option_name = 'autovacuum_enabled' and not option_value::boolean) as off
from pg_stat_all_tables s join pg_class c on c.oid = s.relid
where s.schemaname = 'penstock' and s.relname in ('parcel', 'lease', 'deferred', 'doorbell', 'host', 'dead')
order by s.n_dead_tup desc;
