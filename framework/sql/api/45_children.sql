-- SPDX-License-Identifier: BSD-2-Clause
-- Children: jobs that a stage splits off, and parents that wait for them.

-- The part of settle that starts children (c_) of jobs in p_alive, and sets those of their parents aside that wait.
create or replace function penstock.put_children(
	p_lease penstock.lease, p_alive int8multirange,
	p_kind smallint[], p_lane int[], p_hop smallint[], p_input_hop smallint[], p_bytes bigint[], p_jobs int8multirange[],
	c_parent bigint[], c_lane int[], c_attributes json[], c_body bytea[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp set jit = off as $$
declare
	v_wait int8multirange;
	v_n bigint;
	v_lane int;
begin
	select coalesce(range_agg(r), '{}') into v_wait
	from unnest(p_kind, p_jobs) as u(kind, jobs), unnest(u.jobs) r where u.kind between 6 and 9;
	with new as materialized (
		select nextval('penstock.job_id') as id, u.parent, u.lane, u.attributes, u.body, penstock.check_message(u.attributes, u.body) as bytes,
		       row_number() over (partition by u.lane) - 1 as o
		from unnest(c_parent, c_lane, c_attributes, c_body) as u(parent, lane, attributes, body) where p_alive @> u.parent
	), job as (
		insert into penstock.job (id, pipeline, parent, attributes, body)
		select n.id, l.pipeline, n.parent, n.attributes, n.body from new n join penstock.lane l on l.id = n.lane
	), kin as (
		insert into penstock.child (job, parent) select n.id, n.parent from new n where v_wait @> n.parent
	)
	insert into penstock.parcel (lane, priority, n, bytes, jobs)
	select n.lane, p_lease.priority, count(*), sum(n.bytes), range_agg(int8range(n.id, n.id + 1)) from new n group by n.lane, n.o / 1000;
	for v_lane in select distinct u.lane from unnest(c_lane) as u(lane) loop
		perform penstock.ring(v_lane);
	end loop;

	insert into penstock.waiting (job, lane, priority, hop, input_hop, bytes, pending, children, any_end, last)
	select g.id, u.lane, p_lease.priority, u.hop, u.input_hop, u.bytes / penstock.cardinality(u.jobs), c.n, c.n, u.kind in (7, 9), u.kind in (8, 9)
	from unnest(p_kind, p_lane, p_hop, p_input_hop, p_bytes, p_jobs) as u(kind, lane, hop, input_hop, bytes, jobs)
	cross join unnest(u.jobs) r cross join generate_series(lower(r), upper(r) - 1) as g(id)
	join (select x.parent, count(*) as n from unnest(c_parent) as x(parent) group by x.parent) c on c.parent = g.id
	where u.kind between 6 and 9;
	get diagnostics v_n = row_count;
	if v_n <> penstock.cardinality(v_wait) then
		raise exception 'settle: a job waits for children that it has not' using errcode = 'PS002';
	end if;
end $$;

-- Jobs ended: their parents wait for fewer. In the order of the parents, so that two of these do not wait for each other; by UPDATE, so
-- that of two last children one sees that it is the last. A dead letter that is replayed counts once, as failed.
create or replace function penstock.children_ended(p_well int8multirange, p_badly int8multirange) returns void
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off as $$
declare
	v_ended record;
	v_parent penstock.waiting;
begin
	for v_ended in
		with ended as (
			delete from penstock.child c
			using (select r, 0 as bad from unnest(p_well) r union all select r, 1 from unnest(p_badly) r) e
			where c.job >= lower(e.r) and c.job < upper(e.r) returning c.parent, e.bad
		)
		select parent, count(*) as n, sum(bad) as bad from ended group by parent order by parent
	loop
		update penstock.waiting w set pending = w.pending - v_ended.n, failed = w.failed + v_ended.bad where w.job = v_ended.parent
		returning w.* into v_parent;
		if found and v_parent.pending = 0 then
			perform penstock.end_wait(v_parent);
		end if;
	end loop;
end $$;

-- All children ended: the parent goes on, is completed, or dies of them.
create or replace function penstock.end_wait(p_job penstock.waiting) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_job constant int8multirange := int8multirange(int8range(p_job.job, p_job.job + 1));
begin
	delete from penstock.waiting w where w.job = p_job.job;
	if p_job.failed > 0 and not p_job.any_end then
		insert into penstock.dead (lane, priority, attempt, hop, input_hop, n, bytes, jobs)
		values (p_job.lane, p_job.priority, 0, p_job.hop, p_job.input_hop, 1, p_job.bytes, v_job);
		insert into penstock.failure (job, lane, attempt, code, message, release)
		values (p_job.job, p_job.lane, 0, 'CHILD_FAILED', format('%s of its %s children did not complete', p_job.failed, p_job.children), '');
		perform penstock.jobs_ended('{}', v_job, v_job);
	elsif p_job.last then
		insert into penstock.settled (block, lane, outcome, n, jobs) values (p_job.job >> penstock.block_bits(), p_job.lane, 2, 1, v_job);
		perform penstock.jobs_ended(v_job, '{}');
	else
		insert into penstock.parcel (lane, priority, attempt, hop, input_hop, n, bytes, jobs)
		values (p_job.lane, p_job.priority, 0, p_job.hop, p_job.input_hop, 1, p_job.bytes, v_job);
		perform penstock.ring(p_job.lane);
	end if;
end $$;

-- The children of a job, in order: where they are and what they were made into. For a stage that joins them, and for people.
create or replace function penstock.children(p_job bigint)
returns table (id bigint, state text, attributes json, body bytea)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
return query
select j.id, (select s.state from penstock.job_state(j.id) s), coalesce(o.attributes, j.attributes), case when o.job is null then j.body else o.body end
from penstock.job j
left join lateral (select * from penstock.output o where o.job = j.id order by o.hop desc limit 1) o on true
where j.parent = p_job order by j.id;
end $$;
