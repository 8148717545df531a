-- SPDX-License-Identifier: BSD-2-Clause
-- What people do to jobs: cancel, retry, replay, purge; pause and resume lanes.

-- Takes jobs out of where they wait, also out of the middle of a large set, and ends them as cancelled. Answers how many.
create or replace function penstock.cancel_waiting(p_jobs int8multirange) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_parcel penstock.parcel;
	v_deferred penstock.deferred;
	v_waiting penstock.waiting;
	v_arrival penstock.arrival;
	v_ordered penstock.ordered;
	v_parked penstock.parked;
	v_n int;
	v_sum bigint := 0;
begin
	for v_arrival in select a.* from penstock.arrival a where a.jobs && p_jobs order by a.id for update loop
		v_n := penstock.cardinality(v_arrival.jobs * p_jobs);
		if v_n = v_arrival.n then
			delete from penstock.arrival a where a.id = v_arrival.id;
		else
			update penstock.arrival a
			set jobs = a.jobs - p_jobs, n = a.n - v_n, bytes = a.bytes * (a.n - v_n) / a.n,
			    keys = array(select u.key from unnest(penstock.as_ids(a.jobs), a.keys) as u(job, key) where not p_jobs @> u.job order by u.job)
			where a.id = v_arrival.id;
		end if;
		perform penstock.end_jobs(v_arrival.lane, v_arrival.jobs * p_jobs);
		v_sum := v_sum + v_n;
	end loop;
	for v_ordered in select o.* from penstock.ordered o where p_jobs @> o.job order by o.pipeline, o.key, o.id for update loop
		delete from penstock.ordered o where (o.pipeline, o.key, o.id) = (v_ordered.pipeline, v_ordered.key, v_ordered.id);
		perform penstock.end_jobs(v_ordered.lane, int8multirange(int8range(v_ordered.job, v_ordered.job + 1)));
		v_sum := v_sum + 1;
	end loop;
	-- parents first: one whose children are cancelled before it would die of them
	for v_waiting in select w.* from penstock.waiting w where p_jobs @> w.job order by w.job for update loop
		delete from penstock.waiting w where w.job = v_waiting.job;
		delete from penstock.missed m where m.job = v_waiting.job; -- one that was replayed, for its branches
		perform penstock.end_jobs(v_waiting.lane, int8multirange(int8range(v_waiting.job, v_waiting.job + 1)));
		v_sum := v_sum + 1;
	end loop;
	for v_parcel in select p.* from penstock.parcel p where p.jobs && p_jobs order by p.lane, p.priority, p.id for update loop
		v_n := penstock.cardinality(v_parcel.jobs * p_jobs);
		if v_n = v_parcel.n then
			delete from penstock.parcel p where (p.lane, p.priority, p.id) = (v_parcel.lane, v_parcel.priority, v_parcel.id);
		else
			update penstock.parcel p set jobs = p.jobs - p_jobs, n = p.n - v_n, bytes = p.bytes * (p.n - v_n) / p.n
			where (p.lane, p.priority, p.id) = (v_parcel.lane, v_parcel.priority, v_parcel.id);
		end if;
		perform penstock.end_jobs(v_parcel.lane, v_parcel.jobs * p_jobs);
		v_sum := v_sum + v_n;
	end loop;
	for v_deferred in select d.* from penstock.deferred d where d.jobs && p_jobs order by d.id for update loop
		v_n := penstock.cardinality(v_deferred.jobs * p_jobs);
		if v_n = v_deferred.n then
			delete from penstock.deferred d where d.id = v_deferred.id;
		else
			update penstock.deferred d set jobs = d.jobs - p_jobs, n = d.n - v_n, bytes = d.bytes * (d.n - v_n) / d.n
			where d.id = v_deferred.id;
		end if;
		perform penstock.end_jobs(v_deferred.lane, v_deferred.jobs * p_jobs);
		v_sum := v_sum + v_n;
	end loop;
	for v_parked in select p.* from penstock.parked p where p.jobs && p_jobs order by p.lane, p.key, p.priority, p.id for update loop
		v_n := penstock.cardinality(v_parked.jobs * p_jobs);
		if v_n = v_parked.n then
			delete from penstock.parked p where (p.lane, p.key, p.priority, p.id) = (v_parked.lane, v_parked.key, v_parked.priority, v_parked.id);
		else
			update penstock.parked p set jobs = p.jobs - p_jobs, n = p.n - v_n, bytes = p.bytes * (p.n - v_n) / p.n
			where (p.lane, p.key, p.priority, p.id) = (v_parked.lane, v_parked.key, v_parked.priority, v_parked.id);
		end if;
		perform penstock.end_jobs(v_parked.lane, v_parked.jobs * p_jobs);
		v_sum := v_sum + v_n;
	end loop;
	return v_sum;
end $$;

create or replace function penstock.end_jobs(p_lane int, p_jobs int8multirange) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	insert into penstock.settled (block, lane, outcome, n, jobs)
	select c.block, p_lane, 4, penstock.cardinality(c.jobs), c.jobs from penstock.cut_at_blocks(p_jobs) c;
	delete from penstock.cancel_request c where p_jobs @> c.job;
	perform penstock.jobs_ended('{}', p_jobs);
end $$;

create or replace function penstock.as_set(p_ids bigint[]) returns int8multirange
language sql immutable parallel safe as
'select coalesce(pg_catalog.range_agg(pg_catalog.int8range(id, id + 1)), ''{}'') from pg_catalog.unnest(p_ids) as id';

-- Ends jobs as cancelled: at once where they wait, at the end of the stage that they are in where they run (which is told, see
-- ps_cancelled()). Children that a job waits for are cancelled with it. A running job that completes by then is completed. Jobs that have ended, and dead letters, stay as they are.
-- cancelled: ended now; running: asked to.
create or replace function penstock.cancel(ids bigint[], out cancelled bigint, out running bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_jobs int8multirange := penstock.as_set(cancel.ids);
begin
	-- with the children that they wait for, and theirs
	with recursive kin as (
		select c.job from penstock.child c where c.parent = any (cancel.ids)
		union
		select c.job from kin k join penstock.child c on c.parent = k.job
	)
	select v_jobs + coalesce(range_agg(int8range(k.job, k.job + 1)), '{}') into v_jobs from kin k;
	-- the request comes first: a job that is moved while it is looked for is found by the settlement that moves it, or by watch()
	insert into penstock.cancel_request (job)
	select j.id from unnest(v_jobs) r cross join lateral (select j.id from penstock.job j where j.id >= lower(r) and j.id < upper(r)) j
	where not exists (select from penstock.settled s where s.block = (j.id >> penstock.block_bits()) and s.jobs @> j.id)
	order by j.id
	on conflict do nothing;
	cancelled := penstock.cancel_waiting(v_jobs);
	select coalesce(sum(penstock.cardinality(l.jobs * v_jobs)), 0) into running from penstock.lease l where l.jobs && v_jobs;
	if running > 0 then
		perform pg_notify('penstock', 'watch');
	end if;
end $$;

-- Back-pressure: a lane with a limit is full at max_ready ready jobs, and no longer at four fifths of them; all lanes before a full one
-- are held. One host looks at a time, once a second: what is enqueued or settled in between goes beyond the limit. Of a very deep lane it
-- sees an estimate (ready_about).
create or replace function penstock.mark_full() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if not exists (select from penstock.lane l where l.max_ready is not null or l.held_since is not null)
	   or not pg_try_advisory_xact_lock(7306079001427) then
		return;
	end if;
	update penstock.lane l set full_since = case when d.n >= l.max_ready then clock_timestamp() end
	from (select x.id, (penstock.ready_about(x.id)).jobs + coalesce((select sum(p.n) from penstock.parked p where p.lane = x.id), 0) as n
	      from penstock.lane x where x.max_ready is not null) d
	where d.id = l.id and (case when l.full_since is null then d.n >= l.max_ready else d.n < 0.8 * l.max_ready end);
	update penstock.lane l set held_since = case when l.held_since is null then clock_timestamp() end
	where (l.held_since is not null) <> exists (select from penstock.lane f where f.pipeline = l.pipeline and f.position > l.position
	                                             and f.full_since is not null and f.position >= 0 and l.position >= 0);
end $$;

-- May a job be put there? Warns, or refuses.
create or replace function penstock.check_room(p_lane int) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
	v_lane penstock.lane;
begin
	select l.* into v_lane from penstock.lane l where l.id = p_lane and l.full_since is not null;
	if not found then
		return;
	end if;
	if v_lane.refuses then
		raise exception 'the queue in front of stage ''%'' is full: % jobs or more are ready', v_lane.stage, v_lane.max_ready
			using errcode = 'PS005', hint = 'Try again later; penstock lanes shows what waits.';
	end if;
	raise warning 'the queue in front of stage ''%'' is full: % jobs or more are ready', v_lane.stage, v_lane.max_ready;
end $$;

-- What a host must know of what people asked for, once a second and when it is told: jobs that run and shall end, lanes that are
-- paused. Ends what was asked for while it was moved, and forgets what has ended by itself.
create or replace function penstock.watch(p_lanes int[]) returns table (cancelled bigint, paused int)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_asked int8multirange;
begin
	perform penstock.mark_full();
	if exists (select from penstock.cancel_request) then
		select range_agg(int8range(c.job, c.job + 1)) into v_asked from penstock.cancel_request c;
		perform penstock.cancel_waiting(v_asked);
		delete from penstock.cancel_request c
		where not exists (select from penstock.lease l where l.jobs @> c.job)
		  and not exists (select from penstock.parcel p where p.jobs @> c.job)
		  and not exists (select from penstock.deferred d where d.jobs @> c.job)
		  and not exists (select from penstock.parked p where p.jobs @> c.job);
	end if;
	return query select c.job, null::int from penstock.cancel_request c
	union all select null, l.id from penstock.lane l where l.paused_at is not null and l.id = any (p_lanes);
end $$;

-- Deferred jobs become due now: retries, snoozes and jobs for later. Answers how many.
create or replace function penstock.retry(ids bigint[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_jobs constant int8multirange := penstock.as_set(retry.ids);
	v_set penstock.deferred;
	v_n int;
	v_sum bigint := 0;
begin
	for v_set in select d.* from penstock.deferred d where d.jobs && v_jobs order by d.id for update loop
		v_n := penstock.cardinality(v_set.jobs * v_jobs);
		if v_n = v_set.n then
			delete from penstock.deferred d where d.id = v_set.id;
		else
			update penstock.deferred d set jobs = d.jobs - v_jobs, n = d.n - v_n, bytes = d.bytes * (d.n - v_n) / d.n where d.id = v_set.id;
		end if;
		insert into penstock.parcel (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
		values (v_set.lane, v_set.priority, v_set.attempt, v_set.hop, v_set.input_hop, v_set.hold, v_n, v_set.bytes * v_n / v_set.n,
		        v_set.jobs * v_jobs);
		perform penstock.ring(v_set.lane);
		v_sum := v_sum + v_n;
	end loop;
	return v_sum;
end $$;

-- Takes dead letters out of their sets and gives the parts.
create or replace function penstock.take_dead(p_jobs int8multirange) returns setof penstock.dead
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_set penstock.dead;
	v_n int;
begin
	for v_set in select d.* from penstock.dead d where d.jobs && p_jobs order by d.id for update loop
		v_n := penstock.cardinality(v_set.jobs * p_jobs);
		if v_n = v_set.n then
			delete from penstock.dead d where d.id = v_set.id;
		else
			update penstock.dead d set jobs = d.jobs - p_jobs, n = d.n - v_n, bytes = d.bytes * (d.n - v_n) / d.n where d.id = v_set.id;
		end if;
		v_set.bytes := v_set.bytes * v_n / v_set.n;
		v_set.jobs := v_set.jobs * p_jobs;
		v_set.n := v_n;
		return next v_set;
	end loop;
end $$;

-- Dead letters begin again at the stage where they failed, with all their attempts; those with an ordering key in their turn, those that
-- died of their branches when these ended. Answers how many.
create or replace function penstock.replay(ids bigint[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_set penstock.dead;
	v_was penstock.unjoined;
	v_join int8multirange;
	v_joins int8multirange := '{}';
	v_ready int8multirange;
	v_n int;
	v_sum bigint := 0;
begin
	for v_set in select * from penstock.take_dead(penstock.as_set(replay.ids)) loop
		select coalesce(range_agg(int8range(u.job, u.job + 1)), '{}') into v_join
		from unnest(v_set.jobs) r cross join lateral (select u.job from penstock.unjoined u where u.job >= lower(r) and u.job < upper(r)) u;
		v_joins := v_joins + v_join;
		v_set.jobs := v_set.jobs - v_join;
		v_ready := v_set.jobs - penstock.wait_again(v_set);
		v_n := penstock.cardinality(v_ready);
		if v_n > 0 then
			insert into penstock.parcel (lane, priority, attempt, hop, input_hop, n, bytes, jobs)
			values (v_set.lane, v_set.priority, 0, v_set.hop, v_set.input_hop, v_n, v_set.bytes * v_n / v_set.n, v_ready);
			perform penstock.ring(v_set.lane);
		end if;
		v_sum := v_sum + v_set.n;
	end loop;
	-- when all of them are where they go: their branches may be among them
	for v_was in delete from penstock.unjoined u where v_joins @> u.job returning u.* loop
		perform penstock.join_again(v_was);
	end loop;
	return v_sum;
end $$;

-- Dead letters are given up: they end as cancelled, and go when retention takes them. Answers how many.
create or replace function penstock.purge(ids bigint[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_set penstock.dead;
	v_sum bigint := 0;
begin
	for v_set in select * from penstock.take_dead(penstock.as_set(purge.ids)) loop
		delete from penstock.missed m using unnest(v_set.jobs) r where m.job >= lower(r) and m.job < upper(r);
		perform penstock.end_jobs(v_set.lane, v_set.jobs);
		delete from penstock.unjoined u using unnest(v_set.jobs) r where u.job >= lower(r) and u.job < upper(r);
		v_sum := v_sum + v_set.n;
	end loop;
	return v_sum;
end $$;

-- The lanes of a pipeline, or one of them.
create or replace function penstock.find_lanes(p_pipeline text, p_stage text) returns setof int
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
	return query select l.id from penstock.lane l join penstock.pipeline p on p.id = l.pipeline
	             where p.name = p_pipeline and (p_stage is null or l.stage = p_stage);
	if not found then
		raise exception 'there is no %', case when exists (select from penstock.pipeline p where p.name = p_pipeline)
		                                      then format('stage ''%s'' in pipeline ''%s''', p_stage, p_pipeline)
		                                      else format('pipeline ''%s''', coalesce(p_pipeline, 'null')) end
			using errcode = 'PS003',
			      hint = 'Known: ' || coalesce((select string_agg(p.name || ' (' || s.stages || ')', ', ' order by p.name)
			                                    from penstock.pipeline p
			                                    join (select l.pipeline, string_agg(l.stage, ' ' order by l.position) as stages
			                                          from penstock.lane l where l.position >= 0 group by l.pipeline) s on s.pipeline = p.id),
			                                   'none') || '.';
	end if;
end $$;

-- No host claims from a paused lane any more once this is committed; what runs is finished, and enqueue goes on. Without a stage: the
-- whole pipeline. Answers how many lanes that changed.
create or replace function penstock.pause(pipeline text, stage text default null) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_n int;
begin
	update penstock.lane l set paused_at = clock_timestamp()
	where l.id in (select penstock.find_lanes(pause.pipeline, pause.stage)) and l.paused_at is null;
	get diagnostics v_n = row_count;
	perform pg_notify('penstock', 'watch');
	return v_n;
end $$;

create or replace function penstock.resume(pipeline text, stage text default null) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_n int;
begin
	update penstock.lane l set paused_at = null
	where l.id in (select penstock.find_lanes(resume.pipeline, resume.stage)) and l.paused_at is not null;
	get diagnostics v_n = row_count;
	perform pg_notify('penstock', 'watch');
	return v_n;
end $$;
