-- SPDX-License-Identifier: BSD-2-Clause
-- Ordering keys: of the jobs of a pipeline with one key at most one is between ready and its end, in the order of enqueueing.
--
-- Enqueue only appends: an application's open transaction blocks nobody. After its commit a host makes the first of each key ready
-- that has no turn (give_turns), and the end of a job makes the next of its key ready (turns_ended). That there is one turn for a
-- key is the primary key of turn. A dead letter has ended: its successors go on. A replay puts it back among those that wait,
-- at its old place: so it is the next of its key, and waits for the one that has the turn.

-- Makes the first job of each of these keys ready, unless another has the turn. The keys in their order, so that two of these do not wait
-- for each other. The first is locked before its turn is written: where it is cancelled at that moment, the one behind it is the first.
create or replace function penstock.pass_turns(p_pipeline int[], p_key text[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
declare
	v_lanes int[];
	v_n bigint;
begin
	with key as materialized (
		select u.pipeline, u.key from unnest(p_pipeline, p_key) as u(pipeline, key) order by u.pipeline, u.key
	), first as materialized (
		select f.* from key k
		cross join lateral (select o.pipeline, o.key, o.id, o.job from penstock.ordered o where o.pipeline = k.pipeline and o.key = k.key
		                    order by o.pipeline, o.key, o.id limit 1 for update) f
	), turned as (
		insert into penstock.turn (pipeline, key, job, place) select f.pipeline, f.key, f.job, f.id from first f
		on conflict do nothing returning pipeline, key, place
	), gone as (
		delete from penstock.ordered o using turned t where o.pipeline = t.pipeline and o.key = t.key and o.id = t.place returning o.*
	), part as (
		select g.*, (row_number() over (partition by g.lane, g.priority, g.hop, g.input_hop order by g.id) - 1) / 200 as part from gone g
	), ready as (
		insert into penstock.parcel (lane, priority, hop, input_hop, n, bytes, jobs)
		select p.lane, p.priority, p.hop, p.input_hop, count(*), sum(p.bytes), range_agg(int8range(p.job, p.job + 1))
		from part p group by p.lane, p.priority, p.hop, p.input_hop, p.part order by min(p.id)
		returning lane, n
	)
	select coalesce(sum(r.n), 0), array_agg(distinct r.lane) into v_n, v_lanes from ready r;
	if v_lanes is not null then
		perform penstock.ring(l) from unnest(v_lanes) l;
	end if;
	return v_n;
end $$;

-- Keys that have jobs and no turn, at most p_limit; by steps over the index, so that long queues behind one key are not read. Answers how
-- many jobs were made ready. The OFFSET fences: without it a plan that was made while there were no turns compares every key with every turn.
create or replace function penstock.give_turns(p_limit int) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
	v_pipelines int[];
	v_keys text[];
begin
	with recursive k as (
		(select o.pipeline, o.key from penstock.ordered o order by o.pipeline, o.key limit 1)
		union all
		select n.pipeline, n.key
		from k cross join lateral (select o.pipeline, o.key from penstock.ordered o where (o.pipeline, o.key) > (k.pipeline, k.key)
		                           order by o.pipeline, o.key limit 1) n
	)
	select array_agg(f.pipeline), array_agg(f.key) into v_pipelines, v_keys
	from (select k.pipeline, k.key from k
	      where not exists (select from penstock.turn t where t.pipeline = k.pipeline and t.key = k.key offset 0) limit p_limit) f;
	return case when v_keys is null then 0 else penstock.pass_turns(v_pipelines, v_keys) end;
end $$;

-- Jobs ended: those that had a turn pass it on. The dead among them keep their keys.
create or replace function penstock.turns_ended(p_jobs int8multirange, p_dead int8multirange) returns void
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off as $$
declare
	v_pipelines int[];
	v_keys text[];
begin
	with ended as (
		delete from penstock.turn t using unnest(p_jobs) r where t.job >= lower(r) and t.job < upper(r)
		returning t.pipeline, t.key, t.job, t.place
	), dead as (
		insert into penstock.missed (job, pipeline, key, place) select e.job, e.pipeline, e.key, e.place from ended e where p_dead @> e.job
	)
	select array_agg(e.pipeline), array_agg(e.key) into v_pipelines, v_keys from ended e;
	if v_keys is not null then
		perform penstock.pass_turns(v_pipelines, v_keys);
	end if;
end $$;

-- Of dead letters that begin again: those with an ordering key wait for their turn, like what was enqueued. Answers which; a host that
-- sleeps is told.
create or replace function penstock.wait_again(p_set penstock.dead) returns int8multirange
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off as $$
declare
	v_jobs int8multirange;
begin
	with back as (
		delete from penstock.missed m using unnest(p_set.jobs) r where m.job >= lower(r) and m.job < upper(r) returning m.*
	), put as (
		insert into penstock.ordered (id, pipeline, key, job, lane, priority, bytes, hop, input_hop)
		select coalesce(b.place, nextval('penstock.row_id')), b.pipeline, b.key, b.job, p_set.lane, p_set.priority, p_set.bytes / p_set.n,
		       p_set.hop, p_set.input_hop
		from back b
	)
	select coalesce(range_agg(int8range(b.job, b.job + 1)), '{}') into v_jobs from back b;
	if not isempty(v_jobs) and exists (select from penstock.doorbell) then
		perform pg_notify('penstock', 'order');
	end if;
	return v_jobs;
end $$;

-- What else the end of jobs means: for their parents, and for their successors. p_dead: which of them are dead letters.
create or replace function penstock.jobs_ended(p_well int8multirange, p_badly int8multirange, p_dead int8multirange default '{}') returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	perform penstock.children_ended(p_well, p_badly);
	perform penstock.turns_ended(coalesce(p_well, '{}') + coalesce(p_badly, '{}'), coalesce(p_dead, '{}'));
end $$;
