-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_slots: Replication slots, what they keep.
-- name text, kind text, active boolean, transactions bigint: since the rows that it keeps died, null: it keeps none;
-- catalog bigint: the same of catalog rows; wal bigint: bytes
select slot_name::text as name, slot_type as kind, active, age(xmin)::bigint as transactions, age(catalog_xmin)::bigint as catalog,
       case when pg_is_in_recovery() then null else pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint end as wal
from pg_replication_slots
where not temporary
order by 1 limit 50;
