-- SPDX-License-Identifier: BSD-2-Clause
-- bench_ends: What ended of some ids of a pipeline, by id.
-- $1 pipeline text, $2 first bigint, $3 last bigint
-- id bigint, us bigint (from creation to the end), outcome smallint
with range as (
	select pg_catalog.int8multirange(pg_catalog.int8range($2::bigint, $3::bigint, '[]')) as ids
)
select j.id, (extract(epoch from s.at - j.created_at) * 1000000)::bigint as us, s.outcome
from range, penstock.settled s, pg_catalog.unnest(s.jobs operator(pg_catalog.*) range.ids) r, pg_catalog.generate_series(pg_catalog.lower(r), pg_catalog.upper(r) - 1) i, penstock.job j,
     penstock.pipeline p
where s.block between $2 >> penstock.block_bits() and $3 >> penstock.block_bits() and s.jobs operator(pg_catalog.&&) range.ids
      and j.id = i and j.id between $2 and $3 and p.id = j.pipeline and p.name = $1
order by j.id;
