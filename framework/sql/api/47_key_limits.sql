-- SPDX-License-Identifier: BSD-2-Clause
-- Limits for each key: of a stage's jobs with one value of an attribute at most so many run at once, over all hosts.
--
-- Who runs is in the leases, with the key or at least with how many have the same; nothing is counted, so no row is hot and nothing is
-- left behind by a lease that ends in whatever way. Far from the limit a claim compares those numbers alone (the note on claims side by
-- side). Else it parks what it took of keys that are full; the end of a job unparks the next of its key. A claim that parks holds the
-- lane's lock alone from before it looks who runs until it commits, an end holds it with others from before it looks what
-- is parked: so either the claim sees that the job has left, or the end sees what the claim parked. What neither can see (a ready job
-- of the key is cancelled, the limit is raised) is found by free_keys(), once a second.
-- Lanes without such a limit never come here, and their leases have no keys.

-- The value as text, nothing where there is none or where it cannot be read. Long ones are told apart by their hash.
create or replace function penstock.key_of(p_attributes json, p_name text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
	v_key text;
begin
	v_key := p_attributes ->> p_name; -- not where it is declared: the handler is not in force there
	return case when length(v_key) > 255 then 'md5:' || md5(v_key) else v_key end;
exception
	when data_exception then -- \u0000 is no text. Such a job ends as a dead letter in its stage
		return null;
end $$;

-- What a stage is given of the attributes of jobs. Reads messages as queue_messages.sql does, which sends them to the host right after.
create or replace function penstock.attributes_of(p_jobs int8multirange, p_input_hop smallint) returns table (id bigint, attributes json)
language sql stable as $$
	select j.id, j.attributes
	from pg_catalog.unnest(p_jobs) r
	cross join lateral (select j.id, j.attributes from penstock.job j where j.id >= pg_catalog.lower(r) and j.id < pg_catalog.upper(r)
	                    order by j.id limit pg_catalog.upper(r) - pg_catalog.lower(r)) j
	where p_input_hop = 0
	union all
	select j.id, case when o.job is null then j.attributes else o.attributes end
	from pg_catalog.unnest(p_jobs) r
	cross join lateral (select j.id, j.attributes from penstock.job j where j.id >= pg_catalog.lower(r) and j.id < pg_catalog.upper(r)
	                    order by j.id limit pg_catalog.upper(r) - pg_catalog.lower(r)) j
	left join lateral (select o.job, o.attributes from penstock.output o where o.job = j.id and o.hop = p_input_hop limit 1) o on true
	where p_input_hop > 0
$$;

-- The jobs that have a key, and their keys, in no order. In one breath while none of them is unreadable or long; else one by one.
create or replace function penstock.keys_of(p_jobs int8multirange, p_input_hop smallint, p_name text, out jobs bigint[], out keys text[])
language plpgsql stable set search_path = pg_catalog, pg_temp set jit = off as $$
declare
	v_longest int;
begin
	begin
		select array_agg(k.id), array_agg(k.key), max(length(k.key)) into jobs, keys, v_longest
		from (select a.id, a.attributes ->> p_name as key from penstock.attributes_of(p_jobs, p_input_hop) a offset 0) k
		where k.key is not null;
	exception
		when data_exception then
			v_longest := null;
			jobs := '{}';
	end;
	if v_longest > 255 or jobs = '{}' then
		select array_agg(k.id), array_agg(k.key) into jobs, keys
		from (select a.id, penstock.key_of(a.attributes, p_name) as key from penstock.attributes_of(p_jobs, p_input_hop) a offset 0) k
		where k.key is not null;
	end if;
end $$;

-- How many run of each key of a lane, but for one lease.
create or replace function penstock.running_keys(p_lane int, p_but uuid default null) returns table (key text, n bigint)
language plpgsql stable set search_path = pg_catalog, pg_temp set jit = off as $$
#variable_conflict use_column
begin
return query
select u.key, count(*)
from (select l.jobs, cardinality(coalesce(l.key_jobs, k.jobs)) = l.n as whole, -- once a lease: the array is large
             coalesce(l.key_jobs, k.jobs) as key_jobs, coalesce(l.job_keys, k.keys) as job_keys
      from penstock.lease l
      left join penstock.lane x on x.id = l.lane
      left join lateral penstock.keys_of(l.jobs, l.input_hop, x.limit_key) k on l.job_keys is null
      where l.lane = p_lane and (l.job_keys is not null or l.key_most > 0) and l.token is distinct from p_but offset 0) l
cross join lateral unnest(l.key_jobs, l.job_keys) as u(job, key)
where l.whole or l.jobs @> u.job
group by u.key;
end $$;

-- Is a new lease within the limit of every key for certain, whatever claims are in flight? Then it has its number. Where its host counts, that
-- is what it may begin of a key (p_key_room), whatever it has.
create or replace function penstock.keys_fit(p_token uuid, p_lane penstock.lane, p_key_room int) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_beside constant bigint := penstock.beside(p_lane.max_per_key);
	v_room bigint;
	v_most bigint;
begin
	select least(l.n, p_key_room) into strict v_most from penstock.lease l where l.token = p_token;
	v_room := p_lane.max_per_key - (penstock.claim_slots() - 1) * v_beside
	          - (select coalesce(sum(coalesce(l.key_most, l.n)), 0) from penstock.lease l where l.lane = p_lane.id and l.token <> p_token);
	if v_most > least(v_room, v_beside) then
		return false;
	end if;
	update penstock.lease l set key_most = v_most, key_limit = p_lane.max_per_key where l.token = p_token;
	return true;
end $$;

-- A claim of a lane with such a limit. Where all that was taken is parked it goes on further behind, for a while. Beside others, when
-- it then turns out that keys have to be compared, it needs the lane alone, or has taken nothing.
-- p_key_room: the host reads the keys with the messages, and begins nothing of a lease with more than so many jobs of one key: it gives
-- that back. So they are not read here, which costs more than the claim. null: it does not.
-- key_room: it has to count; null: it need not.
create or replace function penstock.claim_keyed_lane(p_token uuid, p_host bigint, p_lane int, p_want int, p_want_bytes bigint, p_lock int,
                                                     p_priority smallint[], p_from bigint[], p_key_room int default null)
returns table (attempt smallint, hop smallint, input_hop smallint, priority smallint, hold smallint, n int, bytes bigint,
               last bigint, parcels int, key_room int)
language plpgsql set search_path = pg_catalog, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
	c_rounds constant int := 10;
	c_look constant int := 4000; -- jobs that are looked at in a round, once the first showed that keys are full
	v_lane penstock.lane;
	v_may record;
	v_taken record;
	v_lease penstock.lease;
	v_want int;
	v_alone boolean;
begin
	select l.* into v_lane from penstock.lane l where l.id = p_lane;
	if v_lane.max_per_key is null then -- no more
		return query select t.*, null::int from penstock.claim_take(p_token, p_host, p_lane, p_want, p_want_bytes, p_lock, p_priority, p_from) t;
		return;
	end if;
	if v_lane.paused_at is not null or v_lane.held_since is not null then
		return;
	end if;
	v_may := penstock.allowed(v_lane, p_want);
	v_alone := v_may.slot is null;
	v_want := v_may.most;
	for v_round in 1 .. c_rounds loop
		exit when v_may.most < 1;
		select t.* into v_taken from penstock.claim_take(p_token, p_host, p_lane, v_want, p_want_bytes, p_lock, p_priority, p_from, true) t;
		exit when not found;
		if not v_alone and not penstock.keys_fit(p_token, v_lane, p_key_room) then
			v_alone := pg_try_advisory_xact_lock(730607901, p_lane);
			if not v_alone then
				raise exception 'claim: keys have to be compared, and others are in flight' using errcode = 'PS009';
			end if;
		end if;
		if v_alone then
			v_lease := penstock.park(p_token, v_lane, v_may.most);
		else
			select l.* into strict v_lease from penstock.lease l where l.token = p_token;
		end if;
		if v_lease.n is not null then
			if v_lane.rate is not null then
				perform penstock.take_tokens(v_lane, v_may.slot, v_lease.n);
			end if;
			return query select v_lease.attempt, v_lease.hop, v_lease.input_hop, v_lease.priority, v_lease.hold, v_lease.n, v_lease.bytes,
			                    v_taken.last, v_taken.parcels, case when not v_alone and v_lease.key_most < v_lease.n then v_lease.key_most end;
			exit;
		end if;
		v_want := greatest(v_may.most, c_look);
		p_lock := greatest(p_lock, c_look / 10);
	end loop;
exception
	when sqlstate 'PS009' then -- what it had taken is where it was
		null;
end $$;

-- Leaves of a new lease at most p_want jobs, none beyond the limit of its key: those are parked, and what is left over is ready again.
-- Answers the lease; nulls when nothing is left of it.
create or replace function penstock.park(p_token uuid, p_lane penstock.lane, p_want int) returns penstock.lease
language plpgsql set search_path = pg_catalog, pg_temp set jit = off as $$
declare
	v_lease penstock.lease;
	v_key record;
	v_full text[];
	v_most bigint;
	v_parked int8multirange;
	v_over int8multirange := '{}';
	v_stay int8multirange;
begin
	select l.* into strict v_lease from penstock.lease l where l.token = p_token;
	v_key := penstock.keys_of(v_lease.jobs, v_lease.input_hop, p_lane.limit_key);
	if v_key.keys is null and v_lease.n <= p_want then
		update penstock.lease l set key_most = 0, key_limit = p_lane.max_per_key where l.token = p_token;
		return v_lease;
	end if;
	select array_agg(k.key) filter (where k.n + coalesce(r.n, 0) > p_lane.max_per_key), least(max(k.n), p_lane.max_per_key) into v_full, v_most
	from (select u.key, count(*) as n from unnest(v_key.keys) as u(key) group by u.key) k
	left join penstock.running_keys(p_lane.id, p_token) r on r.key = k.key;
	if v_full is null and v_lease.n <= p_want then -- mostly
		update penstock.lease l set key_most = v_most, key_limit = p_lane.max_per_key, key_jobs = v_key.jobs, job_keys = v_key.keys where l.token = p_token;
		return v_lease;
	end if;
	with ranked as (
		select u.job, u.key, row_number() over (partition by u.key order by u.job) + coalesce(r.n, 0) as o
		from unnest(v_key.jobs, v_key.keys) as u(job, key)
		left join penstock.running_keys(p_lane.id, p_token) r on r.key = u.key
		where u.key = any (v_full)
	), parked as (
		insert into penstock.parked (lane, key, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
		select p_lane.id, k.key, v_lease.priority, v_lease.attempt - 1, v_lease.hop, v_lease.input_hop, v_lease.hold, count(*),
		       v_lease.bytes * count(*) / v_lease.n, range_agg(int8range(k.job, k.job + 1))
		from ranked k where k.o > p_lane.max_per_key group by k.key
		returning jobs
	)
	select coalesce(range_agg(r), '{}') into v_parked from parked, unnest(parked.jobs) r;
	v_stay := v_lease.jobs - v_parked;
	if penstock.cardinality(v_stay) > p_want then
		v_over := v_stay * int8multirange(int8range(penstock.cut_behind(v_stay, p_want), null));
		insert into penstock.parcel (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
		values (p_lane.id, v_lease.priority, v_lease.attempt - 1, v_lease.hop, v_lease.input_hop, v_lease.hold, penstock.cardinality(v_over),
		        v_lease.bytes * penstock.cardinality(v_over) / v_lease.n, v_over);
		v_stay := v_stay - v_over;
	end if;
	if isempty(v_stay) then
		delete from penstock.lease l where l.token = p_token;
		return null;
	end if;
	update penstock.lease l
	set jobs = v_stay, n = penstock.cardinality(v_stay), bytes = l.bytes * penstock.cardinality(v_stay) / l.n, key_most = v_most,
	    key_limit = p_lane.max_per_key,
	    (key_jobs, job_keys) = (select array_agg(u.job), array_agg(u.key) from unnest(v_key.jobs, v_key.keys) as u(job, key) where v_stay @> u.job)
	where l.token = p_token returning l.* into v_lease;
	return v_lease;
end $$;

-- Makes up to p_n parked jobs of a key ready, best priority and oldest first. Answers how many.
create or replace function penstock.unpark(p_lane int, p_key text, p_n bigint) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off as $$
declare
	v_set penstock.parked;
	v_jobs int8multirange;
	v_n bigint;
	v_bytes bigint;
	v_sum bigint := 0;
begin
	while v_sum < p_n loop
		select p.* into v_set from penstock.parked p where p.lane = p_lane and p.key = p_key
		order by p.lane, p.key, p.priority, p.id limit 1 for update;
		exit when not found;
		v_n := least(v_set.n, p_n - v_sum);
		v_bytes := v_set.bytes * v_n / v_set.n;
		v_jobs := v_set.jobs;
		if v_n = v_set.n then
			delete from penstock.parked p where (p.lane, p.key, p.priority, p.id) = (p_lane, p_key, v_set.priority, v_set.id);
		else
			v_jobs := v_set.jobs * int8multirange(int8range(null, penstock.cut_behind(v_set.jobs, v_n::int)));
			update penstock.parked p set jobs = p.jobs - v_jobs, n = p.n - v_n, bytes = p.bytes - v_bytes
			where (p.lane, p.key, p.priority, p.id) = (p_lane, p_key, v_set.priority, v_set.id);
		end if;
		insert into penstock.parcel (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
		values (p_lane, v_set.priority, v_set.attempt, v_set.hop, v_set.input_hop, v_set.hold, v_n, v_bytes, v_jobs);
		v_sum := v_sum + v_n;
	end loop;
	return v_sum;
end $$;

-- Jobs left a lease: as many of each key may follow. In the order of the keys, so that two of these do not wait for each other.
create or replace function penstock.keys_left(p_lease penstock.lease, p_jobs int8multirange) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_key record;
	v_n bigint := 0;
begin
	perform pg_advisory_xact_lock_shared(730607901, p_lease.lane);
	if not exists (select from penstock.parked p where p.lane = p_lease.lane) then
		return;
	end if;
	if p_lease.job_keys is null then -- the claim had no need of them
		select k.jobs, k.keys into p_lease.key_jobs, p_lease.job_keys
		from penstock.keys_of(p_jobs, p_lease.input_hop, (select l.limit_key from penstock.lane l where l.id = p_lease.lane)) k;
	end if;
	for v_key in
		select k.key, k.n
		from (select u.key, count(*) as n from unnest(p_lease.key_jobs, p_lease.job_keys) as u(job, key) where p_jobs @> u.job group by u.key) k
		where exists (select from penstock.parked p where p.lane = p_lease.lane and p.key = k.key) order by k.key
	loop
		v_n := v_n + penstock.unpark(p_lease.lane, v_key.key, v_key.n);
	end loop;
	if v_n > 0 then
		perform penstock.ring(p_lease.lane, p_lease.host);
	end if;
end $$;

-- Parked jobs whose key is not full after all: of at most p_limit keys one job each, or as many as may run where nothing else is
-- ready, or all where the limit is gone. By steps over the index. Answers how many became ready.
create or replace function penstock.free_keys(p_limit int) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off as $$
declare
	v_lane record;
	v_key record;
	v_n bigint;
	v_sum bigint := 0;
begin
	for v_lane in
		with recursive k as (
			(select p.lane from penstock.parked p order by p.lane limit 1)
			union all
			select n.lane from k cross join lateral (select p.lane from penstock.parked p where p.lane > k.lane order by p.lane limit 1) n
		)
		select l.id, l.max_per_key, exists (select from penstock.parcel p where p.lane = l.id) as busy
		from k join penstock.lane l on l.id = k.lane where l.paused_at is null and l.held_since is null
	loop
		v_n := 0;
		for v_key in
			with recursive k as (
				(select p.key from penstock.parked p where p.lane = v_lane.id order by p.key limit 1)
				union all
				select n.key from k cross join lateral (select p.key from penstock.parked p where p.lane = v_lane.id and p.key > k.key
				                                        order by p.key limit 1) n
			), running as materialized (select r.key, r.n from penstock.running_keys(v_lane.id) r)
			select k.key, case when v_lane.max_per_key is null then 1000000000
			                   else v_lane.max_per_key - coalesce((select r.n from running r where r.key = k.key), 0) end as room
			from k
		loop
			continue when v_key.room < 1;
			v_n := v_n + penstock.unpark(v_lane.id, v_key.key,
			                             case when v_lane.busy and v_lane.max_per_key is not null then 1 else v_key.room end);
			p_limit := p_limit - 1;
			exit when p_limit < 1;
		end loop;
		if v_n > 0 then
			perform penstock.ring(v_lane.id);
			v_sum := v_sum + v_n;
		end if;
	end loop;
	return v_sum;
end $$;
