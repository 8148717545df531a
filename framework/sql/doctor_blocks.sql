-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_blocks: How far the partitions reach ahead of the ids.
-- block bigint: of the next id; ahead bigint: whole blocks behind it that have all their partitions, -1 when its own has not;
-- left_in bigint: ids left in its block
with at as (
	select last_value + is_called::int as id, (last_value + is_called::int) >> penstock.block_bits() as block from penstock.job_id
)
select at.block,
       coalesce((select min(b) from generate_series(at.block, at.block + 16) b
                 where exists (select from pg_catalog.unnest(array['job', 'output', 'failure', 'settled']) t
                               where not exists (select from pg_inherits i where i.inhrelid = to_regclass('penstock.' || t || '_' || b::text)))),
                at.block + 17) - at.block - 1 as ahead,
       ((at.block + 1) << penstock.block_bits()) - at.id as left_in
from at;
