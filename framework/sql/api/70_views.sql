-- SPDX-License-Identifier: BSD-2-Clause
-- What people and dashboards read. Counts are sums over sets, never counts of jobs.

-- What is ready in a lane. By the index in any case: where ten million single jobs were packed the table is still as large as they were.
-- Counts p_most parcels. What is behind them is counted at p_places places of the lane, 64 parcels' ids wide, and the rest is taken for alike
-- (estimated): ten million single jobs that nobody packed yet would take more than a second, and nobody can tell 9 999 990 from them.
-- A lane that is packed is counted to the job. oldest: when the first job was enqueued; here and not in the views, where the planner would take it for so
-- dear that it compiles the whole (jit), which takes longer than all else.
create or replace function penstock.ready_about(p_lane int, p_most int default 50000, p_places int default 500,
                                             out jobs bigint, out parcels bigint, out bytes numeric, out estimated boolean,
                                             out oldest timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
declare
	c_width constant bigint := 64 * 16; -- ids of parcels lie sixteen apart
	v_priority smallint := -32768;
	v_id bigint := -1;
	v_most int := p_most;
	v_read bigint;
	v_end bigint;
	v_step bigint;
	v_part record;
begin
	jobs := 0;
	parcels := 0;
	bytes := 0;
	estimated := false;
	select j.created_at into oldest
	from (select lower(q.jobs) as id from penstock.parcel q where q.lane = p_lane order by q.lane, q.priority, q.id limit 1) f
	join penstock.job j on j.id = f.id;
	loop
		v_read := 0;
		for v_part in
			select x.priority, sum(x.n) as n, count(*) as parcels, sum(x.bytes) as bytes, max(x.id) as last
			from (select p.priority, p.id, p.n, p.bytes from penstock.parcel p
			      where p.lane = p_lane and (p.priority, p.id) > (v_priority, v_id) order by p.lane, p.priority, p.id limit v_most) x
			group by x.priority order by x.priority
		loop
			jobs := jobs + v_part.n;
			parcels := parcels + v_part.parcels;
			bytes := bytes + v_part.bytes;
			v_read := v_read + v_part.parcels;
			v_priority := v_part.priority;
			v_id := v_part.last;
		end loop;
		exit when v_read < v_most;
		select p.id into v_end from penstock.parcel p where p.lane = p_lane and p.priority = v_priority
		order by p.lane desc, p.priority desc, p.id desc limit 1;
		v_step := (v_end - v_id) / p_places + 1;
		select coalesce(sum(p.n), 0) as n, count(p.n) as parcels, coalesce(sum(p.bytes), 0) as bytes into v_part
		from generate_series(v_id, v_end, v_step) as g(place)
		cross join lateral (select p.n, p.bytes from penstock.parcel p
		                    where p.lane = p_lane and p.priority = v_priority
		                      and p.id > g.place and p.id <= g.place + least(v_step, c_width)
		                    order by p.lane, p.priority, p.id limit c_width) p;
		jobs := jobs + v_part.n * greatest(v_step, c_width) / c_width;
		parcels := parcels + v_part.parcels * greatest(v_step, c_width) / c_width;
		bytes := bytes + floor(v_part.bytes * greatest(v_step, c_width) / c_width);
		estimated := estimated or v_step > c_width;
		v_id := v_end;
		v_most := greatest(p_most / 10, 1);
	end loop;
end $$;

create view penstock.lanes as
select p.name as pipeline, l.stage, l.position, l.max_attempts, l.id as lane,
       r.jobs as ready, r.parcels, coalesce(g.jobs, 0) as running, coalesce(d.jobs, 0) as deferred, coalesce(w.jobs, 0) as waiting,
       coalesce(x.jobs, 0) as dead, r.bytes as ready_bytes,
       clock_timestamp() - r.oldest as oldest,
       l.paused_at, l.full_since, l.held_since, r.estimated
from penstock.lane l
join penstock.pipeline p on p.id = l.pipeline
cross join lateral penstock.ready_about(l.id) r
left join (select lane, sum(n) as jobs from penstock.lease group by lane) g on g.lane = l.id
left join (select lane, sum(n) as jobs from penstock.deferred group by lane) d on d.lane = l.id
left join (select x.lane, sum(x.n) as jobs
           from (select lane, 1 as n from penstock.waiting union all select lane, 1 from penstock.ordered union all select lane, n from penstock.parked
                 union all select lane, n from penstock.arrival) x
           group by x.lane) w on w.lane = l.id
left join (select lane, sum(n) as jobs from penstock.dead group by lane) x on x.lane = l.id;
comment on view penstock.lanes is 'the queue in front of each stage: jobs by state';

create view penstock.depths as
select p.name as pipeline, l.stage, l.position, r.jobs as ready, coalesce(g.jobs, 0) as leased,
       clock_timestamp() - r.oldest as oldest
from penstock.lane l
join penstock.pipeline p on p.id = l.pipeline
cross join lateral penstock.ready_about(l.id) r
left join (select lane, sum(n) as jobs from penstock.lease group by lane) g on g.lane = l.id;
comment on view penstock.depths is 'the part of penstock.lanes that costs least, to be asked every second';

create view penstock.hosts as
select h.id, h.name, h.machine, h.pid, h.version, h.started_at, h.beat,
       coalesce((select sum(l.n) from penstock.lease l where l.host = h.id), 0) as running,
       case when coalesce(h.listens, true) then 'listen' else 'poll' end as wake
from penstock.host h;
comment on view penstock.hosts is 'living boots of host processes';

create view penstock.schedules as
select s.name, p.name as pipeline, s.cron, s.time_zone, s.catch_up, s.priority, s.next_at, s.last_at, s.source
from penstock.schedule s join penstock.pipeline p on p.id = s.pipeline;
comment on view penstock.schedules is 'jobs that come by the clock';

create view penstock.jobs as
select s.id, p.name as pipeline, l.stage, s.state, s.attempt, s.hop, s.since, s.run_at
from (
	select g.id, q.lane, 'ready' as state, q.attempt, q.hop, null::timestamptz as since, null::timestamptz as run_at
	from penstock.parcel q, unnest(q.jobs) r, generate_series(lower(r), upper(r) - 1) as g(id)
	union all
	select g.id, q.lane, 'running', q.attempt, q.hop, q.taken_at, null
	from penstock.lease q, unnest(q.jobs) r, generate_series(lower(r), upper(r) - 1) as g(id)
	union all
	select g.id, q.lane, 'deferred', q.attempt, q.hop, null, q.run_at
	from penstock.deferred q, unnest(q.jobs) r, generate_series(lower(r), upper(r) - 1) as g(id)
	union all
	select w.job, w.lane, 'waiting', 0::smallint, w.hop, w.since, null from penstock.waiting w
	union all
	select o.job, o.lane, 'waiting', 0::smallint, o.hop, null, null from penstock.ordered o
	union all
	select g.id, q.lane, 'waiting', 0::smallint, q.hop, null, null
	from penstock.arrival q, unnest(q.jobs) r, generate_series(lower(r), upper(r) - 1) as g(id)
	union all
	select g.id, q.lane, 'waiting', q.attempt, q.hop, null, null
	from penstock.parked q, unnest(q.jobs) r, generate_series(lower(r), upper(r) - 1) as g(id)
	union all
	select g.id, q.lane, 'dead', q.attempt, q.hop, q.at, null
	from penstock.dead q, unnest(q.jobs) r, generate_series(lower(r), upper(r) - 1) as g(id)
	union all
	select g.id, q.lane, case q.outcome when 2 then 'completed' when 3 then 'discarded' else 'cancelled' end, null, null, q.at, null
	from penstock.settled q, unnest(q.jobs) r, generate_series(lower(r), upper(r) - 1) as g(id)
) s
join penstock.lane l on l.id = s.lane
join penstock.pipeline p on p.id = l.pipeline;
comment on view penstock.jobs is 'every job and its state; for one job ask penstock.job_state(id), which does not read them all';

-- Where is job X? settled by its index, the live tables by scan, which pack keeps short. No row: there is no such job.
create or replace function penstock.job_state(p_id bigint)
returns table (id bigint, pipeline text, stage text, state text, attempt smallint, hop smallint, input_hop smallint, since timestamptz,
               run_at timestamptz, host bigint, created_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off as $$
#variable_conflict use_column
begin
return query
with place as (
	select q.lane, 'ready' as state, q.attempt, q.hop, q.input_hop, null::timestamptz as since, null::timestamptz as run_at, null::bigint as host
	from penstock.parcel q where q.jobs @> p_id
	union all
	select q.lane, 'running', q.attempt, q.hop, q.input_hop, q.taken_at, null, q.host from penstock.lease q where q.jobs @> p_id
	union all
	select q.lane, 'deferred', q.attempt, q.hop, q.input_hop, null, q.run_at, null from penstock.deferred q where q.jobs @> p_id
	union all
	select w.lane, 'waiting', 0::smallint, w.hop, w.input_hop, w.since, null, null from penstock.waiting w where w.job = p_id
	union all
	select o.lane, 'waiting', 0::smallint, o.hop, o.input_hop, null, null, null from penstock.ordered o where o.job = p_id
	union all
	select q.lane, 'waiting', 0::smallint, q.hop, q.input_hop, null, null, null from penstock.arrival q where q.jobs @> p_id
	union all
	select q.lane, 'waiting', q.attempt, q.hop, q.input_hop, null, null, null from penstock.parked q where q.jobs @> p_id
	union all
	select q.lane, 'dead', q.attempt, q.hop, q.input_hop, q.at, null, null from penstock.dead q where q.jobs @> p_id
	union all
	select q.lane, case q.outcome when 2 then 'completed' when 3 then 'discarded' else 'cancelled' end, null, null, null, q.at, null, null
	from penstock.settled q where q.block = (p_id >> penstock.block_bits()) and q.jobs @> p_id
)
select j.id, p.name, l.stage, s.state, s.attempt, s.hop, s.input_hop, s.since, s.run_at, s.host, j.created_at
from penstock.job j, place s
join penstock.lane l on l.id = s.lane
join penstock.pipeline p on p.id = l.pipeline
where j.id = p_id;
end $$;
