-- SPDX-License-Identifier: BSD-2-Clause
-- What people and dashboards read. Counts are sums over sets, never counts of jobs.

-- What is ready in a lane. By the index in any case: where ten million single jobs were packed the table is still as large as they were.
create or replace function penstock.ready_in(p_lane int, out jobs bigint, out parcels bigint, out bytes numeric)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
set jit = off set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
begin
	select coalesce(sum(p.n), 0), count(*), coalesce(sum(p.bytes), 0) into ready_in.jobs, ready_in.parcels, ready_in.bytes
	from penstock.parcel p where p.lane = p_lane;
end $$;

create view penstock.lanes as
select p.name as pipeline, l.stage, l.position, l.max_attempts, l.id as lane,
       r.jobs as ready, r.parcels, coalesce(g.jobs, 0) as running, coalesce(d.jobs, 0) as deferred, coalesce(w.jobs, 0) as waiting,
       coalesce(x.jobs, 0) as dead, r.bytes as ready_bytes,
       (select clock_timestamp() - j.created_at
        from (select lower(q.jobs) as id from penstock.parcel q where q.lane = l.id order by q.lane, q.priority, q.id limit 1) f
        join penstock.job j on j.id = f.id) as oldest,
       l.paused_at, l.full_since, l.held_since
from penstock.lane l
join penstock.pipeline p on p.id = l.pipeline
cross join lateral penstock.ready_in(l.id) r
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
       (select clock_timestamp() - j.created_at
        from (select lower(q.jobs) as id from penstock.parcel q where q.lane = l.id order by q.lane, q.priority, q.id limit 1) f
        join penstock.job j on j.id = f.id) as oldest
from penstock.lane l
join penstock.pipeline p on p.id = l.pipeline
cross join lateral penstock.ready_in(l.id) r
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
