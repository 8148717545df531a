-- SPDX-License-Identifier: BSD-2-Clause
-- bench_ends: What ended of some ids of a pipeline, by id. The LIMIT fences, as in queue_messages: a plan made when there are no statistics
-- yet would look through all jobs for each.
-- $1 pipeline text, $2 first bigint, $3 last bigint
-- id bigint, us bigint (from creation to the end), outcome smallint
with range as (
	select pg_catalog.int8multirange(pg_catalog.int8range($2::bigint, $3::bigint, '[]')) as ids
)
select j.id, (extract(epoch from s.at - j.created_at) * 1000000)::bigint as us, s.outcome
from range, penstock.settled s, pg_catalog.unnest(s.jobs operator(pg_catalog.*) range.ids) r
cross join lateral (select * from penstock.job j where j.id >= pg_catalog.lower(r) and j.id < pg_catalog.upper(r)
                    order by j.id limit pg_catalog.upper(r) - pg_catalog.lower(r)) j
where s.block between $2 >> penstock.block_bits() and $3 >> penstock.block_bits() and s.jobs operator(pg_catalog.&&) range.ids
      and j.pipeline = (select p.id from penstock.pipeline p where p.name = $1)
order by j.id;
