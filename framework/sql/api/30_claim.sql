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

-- p_priority, p_from: the horizon, best priority first. p_token is drawn by the host before it sends the claim. p_inner: claim_keyed() asks,
-- which has seen to the limits.
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
begin
select l.* into v_lane from penstock.lane l where l.id = p_lane;
if v_lane.paused_at is not null or v_lane.held_since is not null then
	return;
end if;
if not p_inner and (v_lane.max_running is not null or v_lane.rate is not null or v_lane.max_per_key is not null) then
	p_want := penstock.allowed(v_lane, p_want);
	if p_want < 1 then
		return;
	end if;
end if;
if not p_inner and v_lane.max_per_key is not null then
	return query select k.* from penstock.claim_keyed(v_lane, p_token, p_host, p_want, p_want_bytes, p_lock, p_priority, p_from) k;
else
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
end if;
if not p_inner and v_lane.max_per_key is null and v_lane.rate is not null then
	update penstock.bucket b set tokens = b.tokens - coalesce((select l.n from penstock.lease l where l.token = p_token), 0) where b.lane = p_lane;
end if;
end $$;

-- How many of p_want jobs a limited lane may begin now. Claims of one limited lane take turns: one that comes while another is in flight
-- gets none, and is sent again soon. Unlimited lanes never come here.
create or replace function penstock.allowed(p_lane penstock.lane, p_want int) returns int
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_want bigint := p_want;
	v_tokens float8;
begin
	if not pg_try_advisory_xact_lock(730607901, p_lane.id) then
		return 0;
	end if;
	if p_lane.max_running is not null then
		v_want := least(v_want, p_lane.max_running - (select coalesce(sum(l.n), 0) from penstock.lease l where l.lane = p_lane.id));
	end if;
	if p_lane.rate is not null then
		insert into penstock.bucket as b (lane, tokens, at) values (p_lane.id, p_lane.burst, clock_timestamp())
		on conflict (lane) do update
		set tokens = least(p_lane.burst, b.tokens + p_lane.rate * greatest(extract(epoch from excluded.at - b.at), 0)), at = excluded.at
		returning b.tokens into v_tokens;
		v_want := least(v_want, floor(v_tokens));
	end if;
	return greatest(v_want, 0);
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
