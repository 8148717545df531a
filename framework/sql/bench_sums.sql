-- SPDX-License-Identifier: BSD-2-Clause
-- bench_sums: Dead letters and failures among some ids, and how long all of it took.
-- $1 pipeline text, $2 first bigint, $3 last bigint
-- dead bigint, failures bigint, seconds float8 (from the first creation to the last end)
with range as (
	select pg_catalog.int8multirange(pg_catalog.int8range($2::bigint, $3::bigint, '[]')) as ids
)
select (select coalesce(sum(pg_catalog.upper(r) - pg_catalog.lower(r)), 0)::bigint from range, penstock.dead d join penstock.lane l on l.id = d.lane
        join penstock.pipeline p on p.id = l.pipeline, pg_catalog.unnest(d.jobs operator(pg_catalog.*) range.ids) r
        where p.name = $1 and d.jobs operator(pg_catalog.&&) range.ids) as dead,
       (select count(*) from penstock.failure f join penstock.lane l on l.id = f.lane join penstock.pipeline p on p.id = l.pipeline
        where f.job between $2 and $3 and p.name = $1) as failures,
       (select coalesce(extract(epoch from max(s.at) - (select j.created_at from penstock.job j where j.id = $2)), 0)::float8
        from range, penstock.settled s join penstock.lane l on l.id = s.lane join penstock.pipeline p on p.id = l.pipeline
        where s.block between $2 >> penstock.block_bits() and $3 >> penstock.block_bits() and s.jobs operator(pg_catalog.&&) range.ids
              and p.name = $1) as seconds;
