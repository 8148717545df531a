-- SPDX-License-Identifier: BSD-2-Clause
-- Claim: ready parcels of one lane become a lease.
--
-- Locks at most p_lock parcels (what is locked is hidden from every other worker), takes one group of what may travel
-- together (attempt, priority, hop, input_hop, hold), splits the last parcel. Deletes and updates by key, never by ctid: a TID
-- scan silently misses a version that is newer than the snapshot. The lease is fed from RETURNING, or from the
-- locked version for a split. The host reads the messages by a second statement in the same round trip, whose newer snapshot sees
-- every job of the lease (queue_messages.sql).
--
-- The deletes are bounded by key and joined by hash, in every plan that this leaves possible. Left to itself the planner takes the
-- table for empty, after a vacuum that found it so, and compares every parcel with every one that was picked:
-- 24 s were seen where 0.1 s is due.

-- p_priority, p_from: the horizon, best priority first. p_token is drawn by the host before it sends the claim. p_inner: claim_keyed_lane()
-- asks, which sees to the limits.
create or replace function penstock.claim_take(p_token uuid, p_host bigint, p_lane int, p_want int, p_want_bytes bigint, p_lock int,
                                               p_priority smallint[], p_from bigint[], p_inner boolean default false)
returns table (attempt smallint, hop smallint, input_hop smallint, priority smallint, hold smallint, n int, bytes bigint,
               last bigint, parcels int)
language plpgsql set search_path = pg_catalog, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
	v_lane penstock.lane;
	v_slot int;
begin
select l.* into v_lane from penstock.lane l where l.id = p_lane;
if v_lane.paused_at is not null or v_lane.held_since is not null then
	return;
end if;
if not p_inner and v_lane.max_per_key is not null then
	return query select k.attempt, k.hop, k.input_hop, k.priority, k.hold, k.n, k.bytes, k.last, k.parcels
		from penstock.claim_keyed_lane(p_token, p_host, p_lane, p_want, p_want_bytes, p_lock, p_priority, p_from) k;
	return;
end if;
if not p_inner and (v_lane.max_running is not null or v_lane.rate is not null) then
	select a.most, a.slot into p_want, v_slot from penstock.allowed(v_lane, p_want) a;
	if p_want < 1 then
		return;
	end if;
end if;
return query
with head as materialized (
	select q.*, row_number() over () as o
	from (select p.*
	      from unnest(p_priority, p_from) as h(priority, id)
	      cross join lateral (select p.id, p.priority, p.attempt, p.hop, p.input_hop, p.hold, p.n, p.bytes, p.jobs
	                          from penstock.parcel p
	                          where p.lane = p_lane and p.priority = h.priority and p.id >= h.id
	                          order by p.lane, p.priority, p.id limit p_lock for update skip locked) p
	      limit p_lock) q
), lead as (
	select * from head where o = 1
), sized as (
	select h.*, sum(h.n) over w - h.n as before, sum(h.bytes) over w - h.bytes as before_bytes
	from head h, lead l
	where (h.priority, h.attempt, h.hop, h.input_hop, h.hold) = (l.priority, l.attempt, l.hop, l.input_hop, l.hold)
	  and (l.hold <> 2 or h.o = 1)
	window w as (order by h.o)
), pick as materialized (
	select s.*,
	       greatest(case when s.o = 1 then 1 else 0 end,
	                least(s.n, p_want - s.before,
	                      case when s.bytes > 0 then floor(s.n::float8 * (p_want_bytes - s.before_bytes) / s.bytes) else s.n end))::int as take
	from sized s
	where s.before < p_want and s.before_bytes < p_want_bytes
), bound as materialized (
	select min(priority) as priority, min(id) as lo, max(id) as hi from pick where take > 0
), whole as (
	delete from penstock.parcel p using pick
	where p.lane = p_lane and p.priority = (select b.priority from bound b)
	  and p.id >= (select b.lo from bound b) and p.id <= (select b.hi from bound b)
	  and p.id = pick.id and pick.take = pick.n
	returning p.jobs, p.n, p.bytes
), cut as materialized (
	select k.id, k.priority, k.take, k.jobs, (k.bytes * k.take / k.n)::bigint as bytes, penstock.cut_behind(k.jobs, k.take) as at
	from pick k where k.take > 0 and k.take < k.n
), rest as (
	update penstock.parcel p
	set n = p.n - cut.take, bytes = greatest(p.bytes - cut.bytes, 0), jobs = p.jobs * int8multirange(int8range(cut.at, null))
	from cut
	where p.lane = p_lane and p.priority = (select b.priority from bound b)
	  and p.id >= (select b.lo from bound b) and p.id <= (select b.hi from bound b) and p.id = cut.id
	returning cut.jobs * int8multirange(int8range(null, cut.at)) as jobs, cut.take as n, cut.bytes
), taken as (
	select range_agg(r) as jobs, (select sum(x.n) from (select n from whole union all select n from rest) x)::int as n,
	       (select sum(x.bytes) from (select bytes from whole union all select bytes from rest) x)::bigint as bytes
	from (select jobs from whole union all select jobs from rest) s, unnest(s.jobs) r
), lease as (
	insert into penstock.lease (token, host, lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
	select p_token, p_host, p_lane, lead.priority, lead.attempt + 1, lead.hop, lead.input_hop, lead.hold, t.n, t.bytes, t.jobs
	from lead, taken t where t.n > 0
	returning *
)
select l.attempt, l.hop, l.input_hop, l.priority, l.hold, l.n, l.bytes,
       (select max(id) from pick where take > 0), (select count(*)::int from pick where take > 0)
from lease l;
if not p_inner and v_lane.rate is not null then
	perform penstock.take_tokens(v_lane, v_slot, coalesce((select l.n from penstock.lease l where l.token = p_token), 0));
end if;
end $$;

-- Note on claims side by side: claims of a limited lane cannot see each other before they commit, and a commit waits for the disk.
-- Far from the limit they go on nevertheless. Each holds the lane's lock with others and one of claim_slots() slots alone, until it commits,
-- and takes at most q = limit / (2 * slots). It may, if what it sees running, and what it takes, and q for each other slot, are within the limit.
-- That holds at every instant: of the leases that run then take the one whose look was the last. The others it saw, not smaller than they are
-- now, or they were in flight, one in each other slot. Where that is not certain a claim has to have the lane's lock alone:
-- then nothing is in flight, and what it sees is exact. Nobody waits for these locks: who cannot have one takes nothing, and is sent again soon.
-- Unlimited lanes never come here.
create or replace function penstock.claim_slots() returns int
language sql immutable as 'select 8';

-- What a claim beside others may take of a limit. A leaner one than c_lean is not worth it: alone it could take more.
create or replace function penstock.beside(p_limit bigint) returns bigint
language sql immutable as 'select p_limit / (2 * penstock.claim_slots())';

-- How many of p_want jobs a limited lane may begin now. slot: null when the claim has the lane alone.
create or replace function penstock.allowed(p_lane penstock.lane, p_want int, out most int, out slot int)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	select b.most, b.slot into allowed.most, allowed.slot from penstock.allowed_beside(p_lane, p_want) b;
	if slot is not null then
		return;
	end if;
	most := 0;
	if not pg_try_advisory_xact_lock(730607901, p_lane.id) then
		return;
	end if;
	most := p_want;
	if p_lane.max_running is not null then
		most := least(most, p_lane.max_running - (select coalesce(sum(l.n), 0) from penstock.lease l where l.lane = p_lane.id));
	end if;
	if p_lane.rate is not null then
		most := least(most, floor(penstock.fill_bucket(p_lane, null)));
	end if;
	most := greatest(most, 0);
end $$;

-- The same beside other claims. slot null: it is not certain that this keeps the limits.
create or replace function penstock.allowed_beside(p_lane penstock.lane, p_want int, out most int, out slot int)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	c_slots constant int := penstock.claim_slots();
	c_lean constant int := 1000;
	v_least bigint := least(p_want, c_lean);
	v_beside bigint := penstock.beside(p_lane.max_running);
	v_runs record;
begin
	most := least(p_want, v_beside);
	if most < v_least or penstock.beside(p_lane.max_per_key) < 1 or not pg_try_advisory_xact_lock_shared(730607901, p_lane.id) then
		return;
	end if;
	slot := penstock.take_slot(p_lane.id);
	if slot is null then
		return;
	end if;
	if p_lane.max_running is not null or p_lane.max_per_key is not null then
		select coalesce(sum(l.n), 0) as n, coalesce(sum(coalesce(l.key_most, l.n)), 0) + coalesce(max(l.key_most), 1) as of_a_key
		into v_runs from penstock.lease l where l.lane = p_lane.id;
		if v_runs.n + most + (c_slots - 1) * v_beside > p_lane.max_running
		   -- a guess that spares the claim: keys_fit() makes sure
		   or v_runs.of_a_key + (c_slots - 1) * penstock.beside(p_lane.max_per_key) > p_lane.max_per_key
		   or p_lane.max_per_key is not null and exists (select from penstock.parked p where p.lane = p_lane.id) then
			slot := null;
			return;
		end if;
	end if;
	if p_lane.rate is not null then
		if penstock.bucket_parts(p_lane) > 1 then
			most := least(most, floor(penstock.fill_bucket(p_lane, slot)));
		end if;
		if penstock.bucket_parts(p_lane) = 1 or most < v_least then
			slot := null;
		end if;
	end if;
end $$;

-- A slot of the lane that no claim in flight has; each session begins with its own.
create or replace function penstock.take_slot(p_lane int) returns int
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	c_slots constant int := penstock.claim_slots();
	v_slot int := pg_backend_pid() % c_slots;
begin
	for i in 1 .. c_slots loop
		if pg_try_advisory_xact_lock(730607902, p_lane * c_slots + v_slot) then
			return v_slot;
		end if;
		v_slot := (v_slot + 1) % c_slots;
	end loop;
	return null;
end $$;

-- Where the burst is large each slot has a part of the tokens and of the rate, so that claims side by side do not meet in a row.
create or replace function penstock.bucket_parts(p_lane penstock.lane) returns int
language sql immutable as 'select case when p_lane.burst >= 1000 * penstock.claim_slots() then penstock.claim_slots() else 1 end';

-- Adds the tokens that have come; answers how many there are, in one part or (null) in all.
create or replace function penstock.fill_bucket(p_lane penstock.lane, p_slot int) returns float8
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_parts constant int := penstock.bucket_parts(p_lane);
	v_tokens float8;
begin
	with filled as (
		insert into penstock.bucket as b (lane, slot, tokens, at)
		select p_lane.id, s, p_lane.burst::float8 / v_parts, clock_timestamp()
		from generate_series(coalesce(p_slot, 0), coalesce(p_slot, v_parts - 1)) s
		on conflict (lane, slot) do update
		set tokens = least(p_lane.burst::float8 / v_parts,
		                   b.tokens + p_lane.rate / v_parts * greatest(extract(epoch from excluded.at - b.at), 0)), at = excluded.at
		returning b.tokens
	)
	select sum(f.tokens) into v_tokens from filled f;
	return v_tokens;
end $$;

-- Takes p_n tokens from where allowed() saw them. Who has all parts leaves them even.
create or replace function penstock.take_tokens(p_lane penstock.lane, p_slot int, p_n int) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_parts constant int := penstock.bucket_parts(p_lane);
begin
	if p_slot is not null or v_parts = 1 then
		update penstock.bucket b set tokens = b.tokens - p_n where b.lane = p_lane.id and b.slot = coalesce(p_slot, 0);
	else
		update penstock.bucket b
		set tokens = ((select sum(x.tokens) from penstock.bucket x where x.lane = p_lane.id and x.slot < v_parts) - p_n) / v_parts
		where b.lane = p_lane.id and b.slot < v_parts;
	end if;
end $$;

-- Where the ready jobs of each lane begin: the priorities that are there and the first parcel of each, by steps through the
-- primary key; never reads a whole lane.
create or replace function penstock.lane_scan(p_lanes int[])
returns table (lane int, priority smallint, id bigint)
language plpgsql stable set search_path = pg_catalog, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
return query
select l.lane, h.priority, h.id
from unnest(p_lanes) as l(lane)
join penstock.lane x on x.id = l.lane and x.paused_at is null and x.held_since is null
cross join lateral (
	with recursive step as (
		(select p.priority, p.id from penstock.parcel p where p.lane = l.lane order by p.lane, p.priority, p.id limit 1)
		union all
		select n.priority, n.id
		from step s
		cross join lateral (select p.priority, p.id from penstock.parcel p where p.lane = l.lane and p.priority > s.priority
		                    order by p.lane, p.priority, p.id limit 1) n
	)
	select * from step
) h;
end $$;

-- The first ready parcel at or behind each known beginning. Where a long transaction keeps dead rows, a scan of a whole lane reads
-- all of them; this reads none.
create or replace function penstock.lane_peek(p_lane int[], p_priority smallint[], p_from bigint[])
returns table (lane int, priority smallint, id bigint)
language plpgsql stable set search_path = pg_catalog, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
return query
select h.lane, h.priority, f.id
from unnest(p_lane, p_priority, p_from) as h(lane, priority, id)
join penstock.lane x on x.id = h.lane and x.paused_at is null and x.held_since is null
cross join lateral (select p.id from penstock.parcel p where p.lane = h.lane and p.priority = h.priority and p.id >= h.id
                    order by p.lane, p.priority, p.id limit 1) f;
end $$;
