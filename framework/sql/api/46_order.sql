-- SPDX-License-Identifier: BSD-2-Clause
-- Ordering keys: of the jobs of a pipeline with one key at most one is between ready and its end, in the order of enqueueing.
--
-- Enqueue only appends to arrival, a row for each thousand jobs: an application's open transaction blocks nobody. After its commit a
-- host looks (give_turns): the first job of a key that nobody has becomes ready, and has a row in turn until it ends; the others wait in
-- ordered, and the end of the one before makes the next ready (turns_ended). So a job whose key no other has is one row of its own.
-- That there is one turn for a key is the primary key of turn. A dead letter has ended: its successors go on. A replay lets it arrive
-- again, at its old place: so it is the next of its key, and waits for the one that has the turn.
--
-- Note on looks and ends: one host looks at a time, and never waits. Who waits in ordered waits for a turn that is there. A look that puts jobs
-- behind a turn holds its row until it commits, so that either the end of that turn sees them, or it is under way: then the look leaves the key's
-- jobs where they arrived, all of them, for the next look. The same for keys of a set that somebody holds (a cancel).

-- The ids of a set, in order.
create or replace function penstock.as_ids(p_jobs int8multirange) returns bigint[]
language sql immutable parallel safe as
'select array(select g.id from pg_catalog.unnest(p_jobs) r cross join pg_catalog.generate_series(pg_catalog.lower(r), pg_catalog.upper(r) - 1) as g(id) order by g.id)';

-- Makes the first job of each of these keys ready, unless another has the turn. The first is locked before its turn is written: where it is
-- cancelled at that moment, the one behind it is the first. In the order of the keys, as cancel takes them.
create or replace function penstock.pass_turns(p_pipeline int[], p_key text[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
declare
	v_lanes int[];
	v_n bigint;
begin
	-- mostly nobody waits. The OFFSET fences, here and below: what is planned while a table is empty compares all with all when it is full
	select array_agg(u.pipeline order by u.pipeline, u.key collate "C"), array_agg(u.key order by u.pipeline, u.key collate "C") into p_pipeline, p_key
	from unnest(p_pipeline, p_key) as u(pipeline, key)
	where exists (select from penstock.ordered o where o.pipeline = u.pipeline and o.key = u.key offset 0);
	if p_key is null then
		return 0;
	end if;
	with first as materialized (
		select f.* from unnest(p_pipeline, p_key) as k(pipeline, key)
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

-- What has arrived, about p_limit jobs: ready, or behind those of its key. Answers how many it found a place for. See the note on looks and ends.
create or replace function penstock.place_arrivals(p_limit int) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
declare
	v_lanes int[];
	v_n bigint;
	v_stay penstock.arrival[];
begin
	with look as materialized (
		select s.id
		from (select a.id, sum(a.n) over (order by a.id) - a.n as before
		      from (select a.id, a.n from penstock.arrival a order by a.id limit p_limit) a) s
		where s.before < p_limit
	), taken as materialized (
		select t.*, (sum(t.n) over (partition by t.lane, t.priority, t.hop, t.input_hop order by t.id) - t.n) / 200 as part
		from look l
		cross join lateral (select a.* from penstock.arrival a where a.id = l.id limit 1 for update skip locked) t
	), held as materialized (
		select h.pipeline, k.key from look l
		cross join lateral (select a.pipeline, a.keys from penstock.arrival a where a.id = l.id limit 1) h
		cross join lateral unnest(h.keys) as k(key)
		where l.id not in (select t.id from taken t)
	), job as materialized (
		select t.id as set, t.pipeline, t.lane, t.priority, t.hop, t.input_hop, t.part, t.bytes / t.n as bytes, u.job, u.key collate "C" as key
		from taken t cross join lateral unnest(penstock.as_ids(t.jobs), t.keys) as u(job, key)
	), first as materialized (
		select f.*, exists (select from penstock.turn t where t.pipeline = f.pipeline and t.key = f.key offset 0) as busy,
		       exists (select from penstock.ordered o where o.pipeline = f.pipeline and o.key = f.key offset 0) as waited_for
		from (select j.pipeline, j.key, min(j.job) as job from job j group by j.pipeline, j.key order by min(j.job)) f
		where (f.pipeline, f.key) not in (select h.pipeline, h.key from held h)
	), turned as (
		insert into penstock.turn (pipeline, key, job, place)
		select f.pipeline, f.key, f.job, f.job from first f where not f.busy and not f.waited_for
		returning pipeline, key, job
	), kept as materialized (
		select f.pipeline, f.key from first f
		cross join lateral (select t.job from penstock.turn t where t.pipeline = f.pipeline and t.key = f.key limit 1 for key share skip locked) t
		where f.busy
	), fate as materialized (
		select j.*, case when k.key is null then 'stays' when k.job = j.job then 'ready' else 'waits' end as fate
		from job j
		left join (select t.pipeline, t.key, t.job from turned t union all select k.pipeline, k.key, null from kept k) k
		on k.pipeline = j.pipeline and k.key = j.key
	), wait as (
		insert into penstock.ordered (id, pipeline, key, job, lane, priority, bytes, hop, input_hop)
		select f.job, f.pipeline, f.key, f.job, f.lane, f.priority, f.bytes, f.hop, f.input_hop from fate f where f.fate = 'waits'
	), gone as (
		delete from penstock.arrival a where a.id = any (array(select t.id from taken t))
	), ready as (
		insert into penstock.parcel (lane, priority, hop, input_hop, n, bytes, jobs)
		select f.lane, f.priority, f.hop, f.input_hop, count(*), sum(f.bytes), range_agg(int8range(f.job, f.job + 1))
		from fate f where f.fate = 'ready' group by f.lane, f.priority, f.hop, f.input_hop, f.part order by min(f.job)
		returning lane
	), stay as (
		select row(f.set, min(f.pipeline), min(f.lane), min(f.priority), min(f.hop), min(f.input_hop), count(*), sum(f.bytes),
		           range_agg(int8range(f.job, f.job + 1)), array_agg(f.key order by f.job))::penstock.arrival as set
		from fate f where f.fate = 'stays' group by f.set
	)
	select (select count(*) from fate f where f.fate <> 'stays'), (select array_agg(distinct r.lane) from ready r), (select array_agg(s.set) from stay s)
	into v_n, v_lanes, v_stay;
	if v_stay is not null then -- rare. In their old places
		insert into penstock.arrival select s.* from unnest(v_stay) s;
	end if;
	if v_lanes is not null then
		perform penstock.ring(l) from unnest(v_lanes) l;
	end if;
	return v_n;
end $$;

-- Looks at what has arrived. Where nothing is to be placed: at keys of those that wait without a turn, at most p_limit, by steps over the
-- index, so that long queues behind one key are not read. There are none, but for what a transaction of REPEATABLE READ ended or
-- cancelled: it does not see who came to wait for it. Answers how many jobs were placed; 0 also where another host looks.
create or replace function penstock.give_turns(p_limit int) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
	v_n bigint;
	v_pipelines int[];
	v_keys text[];
begin
	if not pg_try_advisory_xact_lock(730607903, 0) then
		return 0;
	end if;
	-- what a crash of the server takes back is the look, with all that came of it: the jobs have arrived, as before
	perform set_config('synchronous_commit', 'off', true);
	v_n := penstock.place_arrivals(p_limit);
	if v_n > 0 then
		return v_n;
	end if;
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
		insert into penstock.arrival (pipeline, lane, priority, hop, input_hop, n, bytes, jobs, keys)
		select b.pipeline, p_set.lane, p_set.priority, p_set.hop, p_set.input_hop, count(*), p_set.bytes * count(*) / p_set.n,
		       range_agg(int8range(b.job, b.job + 1)), array_agg(b.key order by b.job)
		from back b group by b.pipeline
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
