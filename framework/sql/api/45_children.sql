-- SPDX-License-Identifier: BSD-2-Clause
-- Children: jobs that a stage splits off, or that go with a job's message through several stages at once; and parents that wait for them.

-- A body that a job shares, see 0011_branches. A function, so that statements that nearly never need it do not carry its plan.
create or replace function penstock.body_of(p_job bigint, p_hop smallint) returns bytea
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
	return case when p_hop > 0 then (select o.body from penstock.output o where o.job = p_job and o.hop = p_hop)
	            else (select j.body from penstock.job j where j.id = p_job) end;
end $$;

-- The part of settle that starts children (c_) of jobs in p_alive, and sets those of their parents aside that wait.
create or replace function penstock.put_children(
	p_lease penstock.lease, p_alive int8multirange,
	p_kind smallint[], p_lane int[], p_hop smallint[], p_input_hop smallint[], p_bytes bigint[], p_jobs int8multirange[],
	c_parent bigint[], c_lane int[], c_attributes json[], c_body bytea[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp set jit = off as $$
declare
	v_wait int8multirange;
	v_join int8multirange := '{}';
	v_n bigint;
	v_lane int;
begin
	if p_kind && '{10,11,12,13}' then
		select coalesce(range_agg(r), '{}') into v_join
		from unnest(p_kind, p_jobs) as u(kind, jobs), unnest(u.jobs) r where u.kind between 10 and 13;
	end if;
	if exists (select from unnest(c_parent, c_attributes) as u(parent, attributes)
	           where u.attributes is null and p_alive @> u.parent and not v_join @> u.parent) then
		raise exception 'settle: a branch of a job that does not wait for it' using errcode = 'PS002';
	end if;
	select coalesce(range_agg(r), '{}') into v_wait
	from unnest(p_kind, p_jobs) as u(kind, jobs), unnest(u.jobs) r where u.kind between 6 and 13;
	with new as materialized (
		select nextval('penstock.job_id') as id, u.parent, u.lane, u.attributes, u.body, penstock.check_message(u.attributes, u.body) as bytes,
		       row_number() over (partition by u.lane) - 1 as o
		from unnest(c_parent, c_lane, c_attributes, c_body) as u(parent, lane, attributes, body)
		where p_alive @> u.parent and u.attributes is not null
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
	if not isempty(v_join) then
		v_n := v_n + penstock.put_branches(p_lease, p_alive, p_kind, p_lane, p_hop, p_input_hop, p_bytes, p_jobs, c_parent, c_lane, c_attributes);
	end if;
	if v_n <> penstock.cardinality(v_wait) then
		raise exception 'settle: a job waits for children that it has not' using errcode = 'PS002';
	end if;
end $$;

-- Children with their parents' messages, and those parents set aside; answers how many of them. What comes here has just been stored.
create or replace function penstock.put_branches(
	p_lease penstock.lease, p_alive int8multirange,
	p_kind smallint[], p_lane int[], p_hop smallint[], p_input_hop smallint[], p_bytes bigint[], p_jobs int8multirange[],
	c_parent bigint[], c_lane int[], c_attributes json[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off as $$
declare
	v_n bigint;
begin
	with parent as materialized (
		select g.id, s.kind, s.lane, s.hop, s.input_hop, s.bytes / penstock.cardinality(s.jobs) as bytes
		from unnest(p_kind, p_lane, p_hop, p_input_hop, p_bytes, p_jobs) as s(kind, lane, hop, input_hop, bytes, jobs)
		cross join unnest(s.jobs) r cross join generate_series(lower(r), upper(r) - 1) as g(id)
		where s.kind between 10 and 13
	), branch as materialized (
		-- ids in the order of the routes
		select nextval('penstock.job_id') as id, u.parent, u.lane, u.input_hop, u.bytes, u.o
		from (select u.parent, u.lane, p.input_hop, p.bytes, u.o
		      from unnest(c_parent, c_lane, c_attributes) with ordinality as u(parent, lane, attributes, o) join parent p on p.id = u.parent
		      where u.attributes is null order by u.o offset 0) u
	), job as (
		insert into penstock.job (id, pipeline, parent, attributes, body_job, body_hop, traceparent)
		select b.id, l.pipeline, b.parent, case when o.job is null then j.attributes else o.attributes end,
		       case when o.body is not null then b.parent when o.job is null then coalesce(j.body_job, case when j.body is not null then j.id end) end,
		       case when o.body is not null then b.input_hop when o.job is null then coalesce(j.body_hop, case when j.body is not null then 0::smallint end) end,
		       j.traceparent
		from branch b join penstock.lane l on l.id = b.lane
		cross join lateral (select * from penstock.job j where j.id = b.parent limit 1) j
		left join lateral (select * from penstock.output o where o.job = b.parent and o.hop = b.input_hop and b.input_hop > 0 limit 1) o on true
	), kin as (
		insert into penstock.child (job, parent) select b.id, b.parent from branch b
	), ready as (
		insert into penstock.parcel (lane, priority, n, bytes, jobs)
		select b.lane, p_lease.priority, count(*), sum(b.bytes), range_agg(int8range(b.id, b.id + 1))
		from (select b.*, row_number() over (partition by b.lane order by b.o) - 1 as i from branch b) b group by b.lane, b.i / 1000
	)
	insert into penstock.waiting (job, lane, priority, hop, input_hop, bytes, pending, children, any_end, last, branches)
	select p.id, p.lane, p_lease.priority, p.hop, p.input_hop, p.bytes, c.n, c.n, p.kind in (11, 13), p.kind in (12, 13), b.ids
	from parent p
	join (select b.parent, array_agg(b.id order by b.o) as ids from branch b group by b.parent) b on b.parent = p.id
	join (select x.parent, count(*) as n from unnest(c_parent) as x(parent) group by x.parent) c on c.parent = p.id;
	get diagnostics v_n = row_count;
	return v_n;
end $$;

-- What branches that completed made of their jobs' attributes, in the order of the route: of those that they changed, or added, each has
-- the value of the last one; what they took away stays. Jobs whose branches made nothing are not among the answers.
create or replace function penstock.join_attributes(p_done penstock.waiting[]) returns table (job bigint, attributes json)
language plpgsql stable set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off as $$
#variable_conflict use_column
begin
	return query
	with made as materialized (
		select d.job, b.o as branch, m.attributes
		from unnest(p_done) d cross join lateral unnest(d.branches) with ordinality as b(id, o)
		cross join lateral (select o.attributes from penstock.output o where o.job = b.id order by o.hop desc limit 1) m
		where exists (select from penstock.settled s where s.block = (b.id >> penstock.block_bits()) and s.outcome = 2 and s.jobs @> b.id)
	), base as materialized (
		select d.job, e.key, e.value, e.o
		from unnest(p_done) d
		cross join lateral (select j.attributes from penstock.job j where j.id = d.job limit 1) j
		left join lateral (select o.attributes from penstock.output o where o.job = d.job and o.hop = d.input_hop and d.input_hop > 0 limit 1) o on true
		cross join lateral json_each(coalesce(o.attributes, j.attributes)) with ordinality as e(key, value, o)
		where d.job in (select m.job from made m)
	), changed as materialized (
		select distinct on (m.job, e.key) m.job, e.key, e.value, m.branch, e.o, base.key is null as added
		from made m cross join lateral json_each(m.attributes) with ordinality as e(key, value, o)
		left join base on base.job = m.job and base.key = e.key
		where base.key is null or (base.value::text <> e.value::text and base.value::jsonb <> e.value::jsonb)
		order by m.job, e.key, m.branch desc, e.o desc
	)
	select a.job, json_object_agg(a.key, a.value order by a.branch, a.o)
	from (select base.job, base.key, coalesce(c.value, base.value) as value, 0 as branch, base.o
	      from base left join changed c on c.job = base.job and c.key = base.key
	      where base.job in (select c.job from changed c)
	      union all
	      select c.job, c.key, c.value, c.branch, c.o from changed c where c.added) a
	group by a.job;
end $$;

-- Jobs ended: their parents wait for fewer. In the order of the parents, so that two of these do not wait for each other; by UPDATE, so
-- that of two last children one sees that it is the last. A dead letter that is replayed counts once, as failed.
create or replace function penstock.children_ended(p_well int8multirange, p_badly int8multirange) returns void
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off as $$
declare
	v_ended record;
	v_parent penstock.waiting;
	v_done penstock.waiting[] := '{}';
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
			v_done := v_done || v_parent;
		end if;
	end loop;
	if cardinality(v_done) > 0 then
		perform penstock.end_waits(v_done);
	end if;
end $$;

-- All children ended: these parents go on, are completed, or die of them. In sets, as they would have gone on without.
create or replace function penstock.end_waits(p_done penstock.waiting[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off as $$
declare
	v_job penstock.waiting;
	v_going penstock.waiting[];
	v_joined bigint[] := '{}';
	v_made json[];
	v_large bigint[];
	v_later bigint[];
	v_last int8multirange;
	v_lanes int[];
begin
	delete from penstock.waiting w where w.job in (select d.job from unnest(p_done) d);
	for v_job in select d.* from unnest(p_done) d where d.failed > 0 and not d.any_end order by d.job loop
		perform penstock.die_of_children(v_job, 'CHILD_FAILED', format('%s of its %s children did not complete', v_job.failed, v_job.children));
	end loop;
	select array_agg(d) into v_going from unnest(p_done) d where d.failed = 0 or d.any_end;
	if v_going is null then
		return;
	end if;

	if exists (select from unnest(v_going) d where d.branches is not null) then
		select coalesce(array_agg(m.job), '{}'), array_agg(m.attributes) into v_joined, v_made from penstock.join_attributes(v_going) m;
		select array_agg(m.job) into v_large from unnest(v_joined, v_made) as m(job, made) where octet_length(m.made::text) > 1048576;
		if v_large is not null then
			for v_job in select d.* from unnest(v_going) d where d.job = any (v_large) order by d.job loop
				perform penstock.die_of_children(v_job, 'JOIN_TOO_LARGE', 'the attributes that its branches made are more than 1048576 bytes together');
			end loop;
			select array_agg(d) into v_going from unnest(v_going) d where d.job <> all (v_large);
		end if;
		insert into penstock.output (job, hop, attributes, body)
		select d.job, d.hop + 1, m.made,
		       case when o.job is not null then o.body when j.body_job is null then j.body else penstock.body_of(j.body_job, j.body_hop) end
		from unnest(v_joined, v_made) as m(job, made) join unnest(v_going) d on d.job = m.job
		cross join lateral (select * from penstock.job j where j.id = d.job limit 1) j
		left join lateral (select * from penstock.output o where o.job = d.job and o.hop = d.input_hop and d.input_hop > 0 limit 1) o on true;
		-- what they are now; their bytes a little too many, by the attributes that they had
		select array_agg(row(d.job, d.lane, d.priority, d.hop + (m.job is not null)::int, case when m.job is null then d.input_hop else d.hop + 1 end,
		                     d.bytes + coalesce(octet_length(m.made::text), 0), d.since, d.pending, d.children, d.failed, d.any_end, d.last,
		                     d.branches)::penstock.waiting)
		into v_going from unnest(v_going) d left join unnest(v_joined, v_made) as m(job, made) on m.job = d.job;
		-- dead letters that were replayed, for their branches: now for their turns, if anything is to come
		select array_agg(m.job) into v_later from penstock.missed m where m.job in (select d.job from unnest(v_going) d);
		if v_later is not null then
			for v_job in select d.* from unnest(v_going) d where d.job = any (v_later) and not d.last order by d.job loop
				perform penstock.wait_again(row(0, v_job.lane, v_job.priority, 0, v_job.hop, v_job.input_hop, clock_timestamp(), 1, v_job.bytes,
				                                int8multirange(int8range(v_job.job, v_job.job + 1)))::penstock.dead);
			end loop;
			delete from penstock.missed m where m.job = any (v_later);
			select array_agg(d) into v_going from unnest(v_going) d where d.last or d.job <> all (v_later);
		end if;
	end if;

	with ready as (
		insert into penstock.parcel (lane, priority, attempt, hop, input_hop, n, bytes, jobs)
		select d.lane, d.priority, 0, d.hop, d.input_hop, count(*), sum(d.bytes), range_agg(int8range(d.job, d.job + 1))
		from (select d.*, row_number() over (partition by d.lane, d.priority, d.hop, d.input_hop order by d.job) - 1 as i
		      from unnest(v_going) d where not d.last) d
		group by d.lane, d.priority, d.hop, d.input_hop, d.i / 200 order by min(d.job)
		returning lane
	)
	select array_agg(distinct r.lane) into v_lanes from ready r;
	if v_lanes is not null then
		perform penstock.ring(l) from unnest(v_lanes) l;
	end if;
	select range_agg(int8range(d.job, d.job + 1)) into v_last from unnest(v_going) d where d.last;
	if v_last is not null then
		insert into penstock.settled (block, lane, outcome, n, jobs)
		select c.block, l.lane, 2, penstock.cardinality(c.jobs), c.jobs
		from (select d.lane, range_agg(int8range(d.job, d.job + 1)) as jobs from unnest(v_going) d where d.last group by d.lane) l
		cross join lateral penstock.cut_at_blocks(l.jobs) c;
		perform penstock.jobs_ended(v_last, '{}');
	end if;
end $$;

-- A dead letter; one that had branches can wait for them again.
create or replace function penstock.die_of_children(p_job penstock.waiting, p_code text, p_message text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_job constant int8multirange := int8multirange(int8range(p_job.job, p_job.job + 1));
begin
	insert into penstock.dead (lane, priority, attempt, hop, input_hop, n, bytes, jobs)
	values (p_job.lane, p_job.priority, 0, p_job.hop, p_job.input_hop, 1, p_job.bytes, v_job);
	insert into penstock.failure (job, lane, attempt, code, message, release)
	values (p_job.job, p_job.lane, 0, p_code, p_message, '');
	if p_job.branches is not null then
		insert into penstock.unjoined (job, lane, priority, hop, input_hop, bytes, children, any_end, last, branches)
		values (p_job.job, p_job.lane, p_job.priority, p_job.hop, p_job.input_hop, p_job.bytes, p_job.children, p_job.any_end, p_job.last, p_job.branches);
	end if;
	perform penstock.jobs_ended('{}', v_job, v_job);
end $$;

-- Holds a job where it is, so that it does not end before this transaction does; a dead letter begins again. False: it has ended.
create or replace function penstock.hold_job(p_job bigint) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp set jit = off as $$
begin
	loop
		perform from penstock.lease q where q.jobs @> p_job for update;
		if found then return true; end if;
		perform from penstock.parcel q where q.jobs @> p_job for update;
		if found then return true; end if;
		perform from penstock.deferred q where q.jobs @> p_job for update;
		if found then return true; end if;
		perform from penstock.parked q where q.jobs @> p_job for update;
		if found then return true; end if;
		perform from penstock.waiting q where q.job = p_job for update;
		if found then return true; end if;
		if exists (select from penstock.settled s where s.block = (p_job >> penstock.block_bits()) and s.jobs @> p_job)
		   or not exists (select from penstock.job j where j.id = p_job) then
			return false;
		end if;
		-- dead, or moved meanwhile: where it is now is seen by the next round
		perform penstock.replay(array[p_job]);
	end loop;
end $$;

-- A dead letter that died of its branches is replayed: with those that are dead, and it waits for all that have not ended. One that
-- was given up is not waited for; without any other it goes on at once.
create or replace function penstock.join_again(p_was penstock.unjoined) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_branch bigint;
	v_pending int := 0;
	v_job penstock.waiting;
begin
	foreach v_branch in array p_was.branches loop
		if penstock.hold_job(v_branch) then
			insert into penstock.child (job, parent) values (v_branch, p_was.job);
			v_pending := v_pending + 1;
		end if;
	end loop;
	insert into penstock.waiting (job, lane, priority, hop, input_hop, bytes, pending, children, any_end, last, branches)
	values (p_was.job, p_was.lane, p_was.priority, p_was.hop, p_was.input_hop, p_was.bytes, v_pending, p_was.children, p_was.any_end, p_was.last,
	        p_was.branches) returning * into v_job;
	if v_pending = 0 then
		perform penstock.end_waits(array[v_job]);
	end if;
end $$;

-- The children of a job, in order: where they are and what they were made into. For a stage that joins them, and for people.
create or replace function penstock.children(p_job bigint)
returns table (id bigint, state text, attributes json, body bytea)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
return query
select j.id, (select s.state from penstock.job_state(j.id) s), coalesce(o.attributes, j.attributes),
       case when o.job is not null then o.body when j.body_job is null then j.body else penstock.body_of(j.body_job, j.body_hop) end
from penstock.job j
left join lateral (select * from penstock.output o where o.job = j.id order by o.hop desc limit 1) o on true
where j.parent = p_job order by j.id;
end $$;
