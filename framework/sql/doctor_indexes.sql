-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_indexes: Indexes of penstock that are kept up but answer nothing.
-- name text, relation text
select pg_catalog.format('penstock.%I', x.relname) as name, pg_catalog.format('penstock.%I', c.relname) as relation
from pg_index i join pg_class c on c.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
where c.relnamespace = 'penstock'::regnamespace and not (i.indisvalid and i.indisready)
order by 1 limit 20;
