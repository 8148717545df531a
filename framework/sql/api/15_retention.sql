-- SPDX-License-Identifier: BSD-2-Clause
-- Retention: blocks of ids are dropped whole, some time after all that is in them ended.

-- Ends the block that ids are drawn from when its first job is older than p_age, so that a quiet queue's blocks get old together
-- too: ids go on in the next one. Answers whether it did.
create or replace function penstock.close_block(p_age interval) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_bits constant int := penstock.block_bits();
	v_block bigint;
	v_first timestamptz;
begin
	select last_value >> v_bits into v_block from penstock.job_id where is_called;
	if v_block is null or to_regclass('penstock.job_' || v_block + 1) is null then
		return false;
	end if;
	select j.created_at into v_first from penstock.job j where j.id >= v_block << v_bits and j.id < (v_block + 1) << v_bits
	order by j.id limit 1;
	if v_first is null or v_first > clock_timestamp() - p_age or not pg_try_advisory_xact_lock(7306079001425) then
		return false;
	end if;
	if (select last_value >> v_bits from penstock.job_id) <> v_block then
		return false; -- another was faster
	end if;
	perform setval('penstock.job_id', (v_block + 1) << v_bits, false);
	return true;
end $$;

-- Drops the oldest block that ids are no longer drawn from, if the last of its jobs ended more than p_keep ago. Up to c_rescue jobs
-- that still live, and dead letters, are carried over into a new block on the same bounds; with more the block stays. What ended is
-- added to total. Waits at most a second for those who use the block. Answers how many jobs went; null: there is no such block.
create or replace function penstock.drop_block(p_keep interval) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '200ms' set jit = off as $$
declare
	c_rescue constant int := 10000;
	c_kinds constant text[] := array['job', 'output', 'failure', 'settled'];
	v_bits constant int := penstock.block_bits();
	v_block bigint;
	v_live int8multirange;
	v_jobs bigint;
	v_kind text;
begin
	if p_keep <= interval '0' or not pg_try_advisory_xact_lock(7306079001426) then
		return null;
	end if;
	for v_block in
		select b.block
		from (select substr(c.relname, 9)::bigint as block
		      from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'penstock.settled'::regclass) b
		where b.block < (select last_value >> v_bits from penstock.job_id)
		order by b.block
	loop
		continue when not exists (select from penstock.settled s where s.block = v_block)
		           or exists (select from penstock.settled s where s.block = v_block and s.at > clock_timestamp() - p_keep);
		foreach v_kind in array c_kinds loop
			execute format('lock table penstock.%I in access exclusive mode', v_kind || '_' || v_block);
		end loop;
		select range_agg(r * int8range(v_block << v_bits, (v_block + 1) << v_bits)) into v_live
		from (select jobs from penstock.parcel union all select jobs from penstock.deferred
		      union all select jobs from penstock.lease union all select jobs from penstock.dead union all select jobs from penstock.parked
		      union all select jobs from penstock.arrival
		      union all select int8multirange(int8range(w.job, w.job + 1)) from penstock.waiting w
		      union all select int8multirange(int8range(o.job, o.job + 1)) from penstock.ordered o) q, unnest(q.jobs) r
		where r && int8range(v_block << v_bits, (v_block + 1) << v_bits);
		continue when penstock.cardinality(v_live) > c_rescue;
		v_jobs := penstock.replace_block(v_block, coalesce(v_live, '{}'));
		return v_jobs;
	end loop;
	return null;
end $$;

-- The second half: nobody else uses the block now.
create or replace function penstock.replace_block(p_block bigint, p_live int8multirange) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_bits constant int := penstock.block_bits();
	v_kind text;
	v_jobs bigint;
begin
	insert into penstock.total as t (lane, outcome, n)
	select s.lane, s.outcome, sum(s.n) from penstock.settled s where s.block = p_block group by s.lane, s.outcome
	on conflict (lane, outcome) do update set n = t.n + excluded.n;
	select sum(s.n) into v_jobs from penstock.settled s where s.block = p_block;
	-- bodies that stay shared: what has ended elsewhere ended before the job whose body it was, or as good as
	update penstock.job j set body = penstock.body_of(j.body_job, j.body_hop), body_job = null, body_hop = null
	where j.body_job >= p_block << v_bits and j.body_job < (p_block + 1) << v_bits and (j.id >> v_bits <> p_block or p_live @> j.id)
	  and not exists (select from penstock.settled s where s.block = (j.id >> v_bits) and s.jobs @> j.id);
	foreach v_kind in array array['job', 'output', 'failure', 'settled'] loop
		execute format('alter table penstock.%1$I detach partition penstock.%2$I', v_kind, v_kind || '_' || p_block);
		execute format('alter table penstock.%I rename to %I', v_kind || '_' || p_block, v_kind || '_dropped');
	end loop;
	if not isempty(p_live) then
		perform penstock.make_block(p_block);
		insert into penstock.job select d.* from penstock.job_dropped d where p_live @> d.id;
		insert into penstock.output select d.* from penstock.output_dropped d where p_live @> d.job;
		insert into penstock.failure select d.* from penstock.failure_dropped d where p_live @> d.job;
	end if;
	drop table penstock.job_dropped, penstock.output_dropped, penstock.failure_dropped, penstock.settled_dropped;
	return v_jobs;
end $$;
