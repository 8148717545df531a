-- SPDX-License-Identifier: BSD-2-Clause
-- Ordering keys: of the jobs of a pipeline with one key at most one is between ready and its end, in the order of enqueueing.
--
-- Enqueue only appends: an application's open transaction blocks nobody. After its commit a host makes the first of each key ready
-- that has no turn (give_turns), and the end of a job makes the next of its key ready (turns_ended). That there is one turn for a
-- key is the primary key of turn. A dead letter has ended: its successors go on, and a replay takes no turn.

-- Makes the first job of a key ready, unless another has the turn.
create or replace function penstock.give_turn(p_pipeline int, p_key text) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_next penstock.ordered;
begin
	select o.* into v_next from penstock.ordered o where o.pipeline = p_pipeline and o.key = p_key order by o.pipeline, o.key, o.id limit 1;
	if not found then
		return false;
	end if;
	insert into penstock.turn (pipeline, key, job) values (p_pipeline, p_key, v_next.job) on conflict do nothing;
	if not found then
		return false;
	end if;
	delete from penstock.ordered o where o.pipeline = p_pipeline and o.key = p_key and o.id = v_next.id;
	if not found then -- cancelled meanwhile: its turn goes to the one behind it
		delete from penstock.turn t where t.pipeline = p_pipeline and t.key = p_key;
		return penstock.give_turn(p_pipeline, p_key);
	end if;
	insert into penstock.parcel (lane, priority, n, bytes, jobs)
	values (v_next.lane, v_next.priority, 1, v_next.bytes, int8multirange(int8range(v_next.job, v_next.job + 1)));
	perform penstock.ring(v_next.lane);
	return true;
end $$;

-- Keys that have jobs and no turn, at most p_limit; by steps over the index, so that long queues behind one key are not read. Answers how
-- many jobs were made ready.
create or replace function penstock.give_turns(p_limit int) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
	v_key record;
	v_n bigint := 0;
begin
	for v_key in
		with recursive k as (
			(select o.pipeline, o.key from penstock.ordered o order by o.pipeline, o.key limit 1)
			union all
			select n.pipeline, n.key
			from k cross join lateral (select o.pipeline, o.key from penstock.ordered o where (o.pipeline, o.key) > (k.pipeline, k.key)
			                           order by o.pipeline, o.key limit 1) n
		)
		select k.pipeline, k.key from k
		where not exists (select from penstock.turn t where t.pipeline = k.pipeline and t.key = k.key) limit p_limit
	loop
		if penstock.give_turn(v_key.pipeline, v_key.key) then
			v_n := v_n + 1;
		end if;
	end loop;
	return v_n;
end $$;

-- Jobs ended: those that had a turn pass it on. In the order of the keys, so that two of these do not wait for each other.
create or replace function penstock.turns_ended(p_jobs int8multirange) returns void
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off as $$
declare
	v_turn record;
begin
	for v_turn in
		with ended as (
			delete from penstock.turn t using unnest(p_jobs) r where t.job >= lower(r) and t.job < upper(r) returning t.pipeline, t.key
		)
		select pipeline, key from ended order by pipeline, key
	loop
		perform penstock.give_turn(v_turn.pipeline, v_turn.key);
	end loop;
end $$;

-- What else the end of jobs means: for their parents, and for their successors.
create or replace function penstock.jobs_ended(p_well int8multirange, p_badly int8multirange) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	perform penstock.children_ended(p_well, p_badly);
	perform penstock.turns_ended(coalesce(p_well, '{}') + coalesce(p_badly, '{}'));
end $$;
