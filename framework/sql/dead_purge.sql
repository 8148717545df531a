-- SPDX-License-Identifier: BSD-2-Clause
-- dead_purge: Dead letters are given up.
-- $1 pipeline text, $2 stage text, $3 code text, $4 since timestamptz, $5 until timestamptz, $6 attribute text, $7 its value text (null: any),
-- $8 only count them boolean
-- jobs bigint: that are meant, purged bigint
select pg_catalog.cardinality(m.ids)::bigint as jobs, penstock.purge(case when not $8::boolean then m.ids end) as purged
from (select array(select id from penstock.find_dead($1, $2, $3, $4::timestamptz, $5::timestamptz, $6, $7)) as ids) m;
