-- SPDX-License-Identifier: BSD-2-Clause
-- enqueue_many: Many jobs, for a role that may not write the tables.
-- $1 pipeline text, $2 attributes json[], $3 bodies bytea[], $4 priority int
-- first bigint, last bigint
select min(id) as first, max(id) as last from pg_catalog.unnest(penstock.enqueue_many($1, $2, $3, $4)) as id;
