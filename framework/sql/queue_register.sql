-- SPDX-License-Identifier: BSD-2-Clause
-- queue_register: Makes a pipeline and its lanes, or brings them up to date.
-- $1 pipeline text, $2 stages text[], $3 max_attempts smallint[], $4 max_running int[], $5 rate float8[] (0: none), $6 burst int[],
-- $7 max_ready int[] (0: none), $8 refuses int[] (1 or 0), $9 limit_key text[] (empty: none), $10 max_per_key int[] (0: none)
-- lane int, one row a stage, in order
select lane from pg_catalog.unnest(penstock.register_pipeline($1, $2, $3, array(select nullif(x, 0) from pg_catalog.unnest($4::int[]) x),
                                                        array(select nullif(x, 0) from pg_catalog.unnest($5::float8[]) x), $6,
                                                        array(select nullif(x, 0) from pg_catalog.unnest($7::int[]) x), $8,
                                                        array(select nullif(x, '') from pg_catalog.unnest($9::text[]) x),
                                                        array(select nullif(x, 0) from pg_catalog.unnest($10::int[]) x))) with ordinality as u(lane, o) order by o;
