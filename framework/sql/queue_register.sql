-- SPDX-License-Identifier: BSD-2-Clause
-- queue_register: Makes a pipeline and its lanes, or brings them up to date.
-- $1 pipeline text, $2 stages text[], $3 max_attempts smallint[]
-- lane int, one row a stage, in order
select lane from pg_catalog.unnest(penstock.register_pipeline($1, $2, $3)) with ordinality as u(lane, o) order by o;
