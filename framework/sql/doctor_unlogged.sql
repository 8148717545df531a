-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_unlogged: Tables of penstock that a crash of the server would empty.
-- name text
select pg_catalog.format('penstock.%I', c.relname) as name
from pg_class c
where c.relnamespace = 'penstock'::regnamespace and c.relkind in ('r', 'p') and c.relpersistence <> 'p'
order by 1 limit 20;
