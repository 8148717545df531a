-- SPDX-License-Identifier: BSD-2-Clause
-- Verify: the invariants that rows can show. Each statement is one snapshot, and must hold in every snapshot.

create or replace function penstock.held() returns table (place text, id bigint, n int, bytes bigint, jobs int8multirange)
language sql stable as $$
	select 'parcel', id, n, bytes, jobs from penstock.parcel
	union all select 'deferred', id, n, bytes, jobs from penstock.deferred
	union all select 'lease', 0, n, bytes, jobs from penstock.lease
	union all select 'waiting', job, 1, bytes, int8multirange(int8range(job, job + 1)) from penstock.waiting
	union all select 'parked', id, n, bytes, jobs from penstock.parked
	union all select 'arrival', id, n, bytes, jobs from penstock.arrival
	union all select 'ordered', id, 1, bytes, int8multirange(int8range(job, job + 1)) from penstock.ordered
	union all select 'dead', id, n, bytes, jobs from penstock.dead
	union all select 'settled', id, n, 0, jobs from penstock.settled
$$;

-- The conservation law: what is held is disjoint, sums to n, and is exactly the ids of job. Two sets of one size, one within
-- the other, are equal: so it is enough to count the job rows, and the job rows inside what is held.
create or replace function penstock.conservation(out jobs bigint, out summed bigint, out held bigint, out distinct_ids bigint, out present bigint)
language sql stable as $$
	with h as materialized (select * from penstock.held()),
	     u as materialized (select range_agg(r) as ids from h, unnest(h.jobs) r)
	select (select count(*) from penstock.job),
	       (select coalesce(sum(n), 0) from h),
	       (select coalesce(sum(penstock.cardinality(h.jobs)), 0)::bigint from h),
	       (select coalesce(penstock.cardinality(ids), 0) from u),
	       (select coalesce(sum(c.n), 0)::bigint from u, unnest(u.ids) r
	        cross join lateral (select count(*) as n from penstock.job j where j.id >= lower(r) and j.id < upper(r)) c)
$$;

-- One row for each invariant; violations 0 means that it holds.
create or replace function penstock.verify() returns table (invariant text, violations bigint, detail text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off as $$
declare
	c record;
begin
	select * into c from penstock.conservation();
	invariant := 'no job is lost';
	violations := greatest(c.jobs - c.present, 0);
	detail := format('jobs: %s; ready, deferred, running, waiting, dead or settled: %s', c.jobs, c.present);
	return next;
	invariant := 'nothing is held that is not a job';
	violations := c.distinct_ids - c.present;
	detail := format('ids held: %s', c.distinct_ids);
	return next;
	invariant := 'every job is in one place only';
	violations := c.held - c.distinct_ids;
	detail := format('ids in all sets: %s, distinct: %s', c.held, c.distinct_ids);
	return next;
	return query select 'every set has the size that it says',
		count(*) filter (where h.n <> penstock.cardinality(h.jobs) or h.bytes < 0), format('sets: %s', count(*))
		from penstock.held() h;
	return query select 'every set is in a lane that is there', count(*), coalesce('lane ' || min(q.lane), '')
		from (select lane from penstock.parcel union all select lane from penstock.deferred union all select lane from penstock.lease
		      union all select lane from penstock.waiting union all select lane from penstock.ordered union all select lane from penstock.dead union all select lane from penstock.settled
		      union all select lane from penstock.parked union all select lane from penstock.arrival) q
		where not exists (select from penstock.lane l where l.id = q.lane);
	return query select 'every stored message is there', count(*) filter (where o.job is null), format('jobs with one: %s', count(*))
		from (select jobs, input_hop from penstock.parcel union all select jobs, input_hop from penstock.deferred
		      union all select jobs, input_hop from penstock.lease union all select jobs, input_hop from penstock.dead union all select jobs, input_hop from penstock.parked
		      union all select jobs, input_hop from penstock.arrival
		      union all select int8multirange(int8range(job, job + 1)), input_hop from penstock.waiting
		      union all select int8multirange(int8range(job, job + 1)), input_hop from penstock.ordered) q
		cross join unnest(q.jobs) r cross join generate_series(lower(r), upper(r) - 1) as g(id)
		left join penstock.output o on o.job = g.id and o.hop = q.input_hop
		where q.input_hop > 0;
	return query select 'nothing is stored for a job that is not there', count(*), coalesce('job ' || min(s.job), '')
		from (select o.job from penstock.output o union all select f.job from penstock.failure f) s
		where not exists (select from penstock.job j where j.id = s.job);
	return query select 'every job waits for as many children as have not ended', count(*), coalesce('job ' || min(w.job), '')
		from penstock.waiting w where w.pending = 0 or w.pending <> (select count(*) from penstock.child k where k.parent = w.job);
	return query select 'every body that a job shares is there', count(*), coalesce('job ' || min(j.id), '')
		from penstock.job j
		where j.body_job is not null and penstock.body_of(j.body_job, j.body_hop) is null
		  and not exists (select from penstock.settled s where s.block = (j.id >> penstock.block_bits()) and s.jobs @> j.id);
	return query select 'what died of its branches is dead', count(*), coalesce('job ' || min(u.job), '')
		from penstock.unjoined u where not exists (select from penstock.dead d where d.jobs @> u.job);
	return query select 'every turn has a job that has not ended', count(*), coalesce('job ' || min(t.job), '')
		from penstock.turn t
		where not exists (select from penstock.parcel q where q.jobs @> t.job) and not exists (select from penstock.deferred q where q.jobs @> t.job)
		  and not exists (select from penstock.lease q where q.jobs @> t.job) and not exists (select from penstock.waiting w where w.job = t.job)
		  and not exists (select from penstock.parked q where q.jobs @> t.job);
	return query select 'every ordering key that is kept is of a job that may begin again', count(*), coalesce('job ' || min(m.job), '')
		from penstock.missed m where not exists (select from penstock.dead q where q.jobs @> m.job)
		  and not exists (select from penstock.waiting w where w.job = m.job);
	return query select 'no key runs more jobs at once than its stage lets it', count(*), coalesce('lane ' || min(k.lane), '')
		from (select o.lane
		      -- one that its host has to count begins no more of a key than it says
		      from (select l.lane, l.key_limit, u.key, case when l.job_keys is null then least(count(*), l.key_most) else count(*) end as n
		            from penstock.lease l join penstock.lane x on x.id = l.lane
		            left join lateral penstock.keys_of(l.jobs, l.input_hop, x.limit_key) m on l.job_keys is null and l.key_most > 0
		            cross join lateral unnest(coalesce(l.key_jobs, m.jobs), coalesce(l.job_keys, m.keys)) as u(job, key)
		            where l.jobs @> u.job group by l.token, u.key) o
		      group by o.lane, o.key having sum(o.n) > max(o.key_limit)) k;
	return query select 'every dead letter has a reason', count(*) filter (where not exists (select from penstock.failure f where f.job = g.id)),
		format('dead letters: %s', count(*))
		from penstock.dead q cross join unnest(q.jobs) r cross join generate_series(lower(r), upper(r) - 1) as g(id);
	return query select 'attempts are within their limits', count(*), coalesce('lane ' || min(q.lane), '')
		from (select lane, attempt from penstock.parcel union all select lane, attempt from penstock.deferred
		      union all select lane, attempt from penstock.parked) q
		join penstock.lane l on l.id = q.lane where q.attempt < 0 or q.attempt > l.max_attempts;
	return query select 'nothing runs for a host that is gone', count(*), coalesce('oldest since ' || min(l.taken_at), '')
		from penstock.lease l
		where l.taken_at < clock_timestamp() - interval '1 minute' and not exists (select from penstock.host h where h.id = l.host);
	return query select 'every index is valid', count(*), coalesce(string_agg(c2.relname, ', '), '')
		from pg_catalog.pg_index i join pg_catalog.pg_class c2 on c2.oid = i.indexrelid
		where c2.relnamespace = 'penstock'::regnamespace and not i.indisvalid;
	return query select 'there is room for more job ids', case when to_regclass('penstock.job_' || s.block + 1) is null then 1 else 0 end::bigint,
		format('in block %s', s.block)
		from (select last_value >> penstock.block_bits() as block from penstock.job_id) s;
end $$;

-- For the comparison with what a host counted.
create or replace function penstock.ended_since(p_since_us bigint) returns table (pipeline text, stage text, completed bigint, discarded bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select p.name, l.stage, coalesce(sum(s.n) filter (where s.outcome = 2), 0)::bigint, coalesce(sum(s.n) filter (where s.outcome = 3), 0)::bigint
	from penstock.lane l
	join penstock.pipeline p on p.id = l.pipeline
	left join penstock.settled s on s.lane = l.id and s.at >= timestamptz 'epoch' + p_since_us * interval '1 microsecond'
	group by p.name, l.stage order by 1, 2
$$;

create or replace function penstock.at_rest(out running bigint, out youngest bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select (select coalesce(sum(n), 0)::bigint from penstock.lease), (select coalesce(last_value, 0) from penstock.host_id_seq)
$$;
