-- SPDX-License-Identifier: BSD-2-Clause
-- Blocks of ids: job, output, failure and settled are cut by the same ones.

-- A block is 2^24 ids: few and large, since every claim takes a lock for each partition.
create or replace function penstock.block_bits() returns int
language sql immutable parallel safe as 'select 24';

-- Makes one partition beside its parent and attaches it: CREATE TABLE ... PARTITION OF would wait for every
-- open enqueue while later ones queue behind it. The check spares ATTACH the scan.
create or replace function penstock.make_partition(p_parent text, p_column text, p_from bigint, p_to bigint, p_suffix bigint)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_child text := p_parent || '_' || p_suffix;
begin
	if to_regclass('penstock.' || v_child) is not null then
		return;
	end if;
	execute format('create table penstock.%I (like penstock.%I including all)', v_child, p_parent);
	execute format('alter table penstock.%I owner to penstock_owner', v_child);
	execute format('alter table penstock.%I add constraint %I check (%I >= %s and %I < %s)',
	               v_child, v_child || '_bounds', p_column, p_from, p_column, p_to);
	execute format('alter table penstock.%I attach partition penstock.%I for values from (%s) to (%s)',
	               p_parent, v_child, p_from, p_to);
	execute format('alter table penstock.%I drop constraint %I', v_child, v_child || '_bounds');
end $$;

create or replace function penstock.make_block(p_block bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_from constant bigint := p_block << penstock.block_bits();
	v_to constant bigint := (p_block + 1) << penstock.block_bits();
begin
	perform penstock.make_partition('job', 'id', v_from, v_to, p_block);
	perform penstock.make_partition('output', 'job', v_from, v_to, p_block);
	perform penstock.make_partition('failure', 'job', v_from, v_to, p_block);
	perform penstock.make_partition('settled', 'block', p_block, p_block + 1, p_block);
end $$;

-- Room for job ids: the block of the sequence and p_ahead more. Called by the janitor; waits at most a second
-- for a lock, and is called again.
create or replace function penstock.make_blocks(p_ahead int default 4) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
	v_bits constant int := penstock.block_bits();
	v_at bigint;
	v_made int := 0;
begin
	select case when is_called then last_value else 0 end >> v_bits into v_at from penstock.job_id;
	for b in v_at .. v_at + p_ahead loop
		continue when to_regclass('penstock.settled_' || b) is not null;
		perform pg_advisory_xact_lock(7306079001424);
		-- another may have been faster; to_regclass would say here what it said above, from its cache
		continue when exists (select from pg_class c where c.relnamespace = 'penstock'::regnamespace and c.relname = 'settled_' || b);
		perform penstock.make_block(b);
		v_made := v_made + 1;
	end loop;
	return v_made;
end $$;

-- How many ids a set holds.
create or replace function penstock.cardinality(p_jobs int8multirange) returns bigint
language sql immutable strict parallel safe as
'select coalesce(sum(upper(r) - lower(r)), 0)::bigint from unnest(p_jobs) r';

-- The first id behind the first p_n ids of a set.
create or replace function penstock.cut_behind(p_jobs int8multirange, p_n bigint) returns bigint
language sql immutable strict parallel safe as $$
select (lower(c.r) + (p_n - c.before))::bigint
from (select r, sum(upper(r) - lower(r)) over (order by r) - (upper(r) - lower(r)) as before from unnest(p_jobs) r) c
where c.before < p_n and c.before + (upper(c.r) - lower(c.r)) >= p_n
$$;

-- A set cut at the bounds of blocks: the hulls of settled's index stay narrow, and retention drops whole blocks.
create or replace function penstock.cut_at_blocks(p_jobs int8multirange) returns table (block int, jobs int8multirange)
language sql immutable strict parallel safe as $$
select b.block, p_jobs * int8multirange(int8range(b.block::bigint << penstock.block_bits(), (b.block + 1)::bigint << penstock.block_bits()))
from (select distinct g.block::int as block
      from unnest(p_jobs) r, generate_series(lower(r) >> penstock.block_bits(), (upper(r) - 1) >> penstock.block_bits()) as g(block)) b
$$;
