-- SPDX-License-Identifier: BSD-2-Clause
-- Wake: due jobs become ready. Pack: many small parcels become few.

-- Unions few small sets; PostgreSQL 14 has no range_agg(multirange).
create or replace aggregate penstock.union_agg(int8multirange) (
	sfunc = pg_catalog.multirange_union,
	stype = int8multirange,
	initcond = '{}'
);

-- Moves at most p_limit due sets; answers how many jobs, and in how many ms the next set is due (null: none).
-- What differs in anything stays apart, and what is isolated stays alone.
create or replace function penstock.wake(p_limit int, out jobs bigint, out next_ms bigint)
language plpgsql set search_path = pg_catalog, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off set enable_mergejoin = off as $$
declare
	v_lanes int[];
	v_next timestamptz;
begin
	with due as materialized (
		select d.id, d.run_at from penstock.deferred d where d.run_at <= clock_timestamp() order by d.run_at limit p_limit for update skip locked
	), gone as (
		delete from penstock.deferred d using due -- bounded by key, as in claim_take
		where d.run_at >= (select min(x.run_at) from due x) and d.run_at <= (select max(x.run_at) from due x) and d.id = due.id
		returning d.*
	), part as (
		select g.*, case when g.hold = 2 then g.id
		                 else (row_number() over (partition by g.lane, g.priority, g.attempt, g.hop, g.input_hop, g.hold order by g.id) - 1) / 200
		            end as part
		from gone g
	), ready as (
		insert into penstock.parcel (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
		select p.lane, p.priority, p.attempt, p.hop, p.input_hop, p.hold, sum(p.n), sum(p.bytes), penstock.union_agg(p.jobs)
		from part p group by p.lane, p.priority, p.attempt, p.hop, p.input_hop, p.hold, p.part order by min(p.id)
		returning lane, n
	)
	select coalesce(sum(r.n), 0), array_agg(distinct r.lane) into wake.jobs, v_lanes from ready r;
	if v_lanes is not null then
		perform penstock.ring(l) from unnest(v_lanes) l;
	end if;
	select d.run_at into v_next from penstock.deferred d order by d.run_at limit 1;
	if v_next is not null then -- greatest() would make 0 of a null
		next_ms := greatest(ceil(extract(epoch from v_next - clock_timestamp()) * 1000), 0);
	end if;
end $$;

-- Merges small parcels behind the head of a lane, where they will wait for long anyway, from at most p_limit of them: into parcels of about 1000
-- jobs, as those that are enqueued together, if their ids make at most about 200 ranges. Where they follow one another that is a page of the
-- index for each 1000 jobs; parcels of 200 kept nearly every page of ten million singles alive. A parcel under one id only ever shrinks: pack makes new rows. Each has the id behind that of the first parcel that it
-- holds, where nobody ever was (ids of new parcels lie sixteen apart): so a lane stays in order, and claims meet what was packed for them.
-- Goes on at p_priority, p_from, where another call began; what is before is merged already, and full of dead rows. What that call merged is
-- passed once more, now that its rows are dead for all: that marks them in the index, and who counts the lane next is spared them.
-- 0: behind the head.
-- fewer: how many fewer parcels there are; priority, next: where to go on, 0: all was seen.
create or replace function penstock.pack(p_lane int, p_limit int, p_priority smallint default 0, p_from bigint default 0,
                                         out fewer int, out priority smallint, out next bigint)
language plpgsql set search_path = pg_catalog, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
	c_head constant int := 1000; -- parcels that claims will take soon
	c_jobs constant int := 1000;
	c_ranges constant int := 200;
	v_priority smallint := p_priority;
	v_from bigint := p_from;
	v_gone int;
	v_made int;
	v_first bigint;
begin
	pack.fewer := 0;
	pack.next := 0;
	if v_from = 0 then
		select p.priority, p.id into v_priority, v_from from penstock.parcel p where p.lane = p_lane
		order by p.lane, p.priority, p.id offset c_head limit 1;
		if not found then
			return;
		end if;
	end if;
	with small as materialized (
		select p.lane, p.priority, p.id from penstock.parcel p
		where p.lane = p_lane and p.priority = v_priority and p.id >= v_from and p.hold = 0 and p.n <= 50
		order by p.lane, p.priority, p.id limit p_limit for update skip locked
	), gone as (
		delete from penstock.parcel p using small s -- bounded by key, as in claim_take
		where p.lane = p_lane and p.priority = v_priority
		  and p.id >= (select min(x.id) from small x) and p.id <= (select max(x.id) from small x) and p.id = s.id
		returning p.*
	), step as (
		select g.*, case when upper(g.jobs) - lower(g.jobs) <> g.n then g.n
		                 when lower(g.jobs) = lag(upper(g.jobs)) over w then 0 else 1 end as ranges
		from gone g window w as (partition by g.attempt, g.hop, g.input_hop order by g.id)
	), part as (
		select s.*, (sum(s.ranges) over w - s.ranges) / c_ranges as by_ranges, (sum(s.n) over w - s.n) / c_jobs as by_jobs
		from step s window w as (partition by s.attempt, s.hop, s.input_hop order by s.id)
	), made as (
		insert into penstock.parcel (lane, priority, id, attempt, hop, input_hop, hold, n, bytes, jobs)
		select p_lane, v_priority, case when (min(p.id) + 1) % 16 <> 0 then min(p.id) + 1 else nextval('penstock.parcel_id') end,
		       p.attempt, p.hop, p.input_hop, 0, sum(p.n), sum(p.bytes), penstock.union_agg(p.jobs order by p.id)
		from part p group by p.attempt, p.hop, p.input_hop, p.by_ranges, p.by_jobs order by min(p.id)
		returning 1
	)
	select (select count(*) from gone), (select count(*) from made), (select min(x.id) from small x) into v_gone, v_made, v_first;
	pack.fewer := v_gone - v_made;
	if pack.fewer > 0 then
		pack.priority := v_priority;
		pack.next := v_first;
	end if;
end $$;
