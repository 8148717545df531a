-- SPDX-License-Identifier: BSD-2-Clause
-- Hosts: registered, beating, taken for dead; and what becomes of a lease that its host cannot settle.

-- Gives a lease back as if it had not been claimed: a drain, a lost reply. Answers the jobs.
create or replace function penstock.void_lease(p_token uuid) returns int
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_lease penstock.lease;
begin
	delete from penstock.lease l where l.token = p_token returning * into v_lease;
	if not found then
		return 0;
	end if;
	insert into penstock.parcel (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
	values (v_lease.lane, v_lease.priority, v_lease.attempt - 1, v_lease.hop, v_lease.input_hop, v_lease.hold, v_lease.n,
	        v_lease.bytes, v_lease.jobs);
	perform penstock.ring(v_lease.lane);
	return v_lease.n;
end $$;

-- A lease that was lost in a crash: nobody knows which job did it. The set comes back uncharged, halved and isolated, until the
-- guilty one runs alone; a single job that was isolated before is charged, and is dead at its lane's max_attempts.
create or replace function penstock.void_lost_lease(p_lease penstock.lease) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_job bigint := lower(p_lease.jobs);
	v_at bigint;
	v_most smallint := (select l.max_attempts from penstock.lane l where l.id = p_lease.lane);
begin
	delete from penstock.lease l where l.token = p_lease.token;
	if p_lease.n > 1 then
		v_at := penstock.cut_behind(p_lease.jobs, p_lease.n / 2);
		insert into penstock.parcel (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
		select p_lease.lane, p_lease.priority, p_lease.attempt - 1, p_lease.hop, p_lease.input_hop, 2, penstock.cardinality(h.jobs),
		       p_lease.bytes / 2, h.jobs
		from (values (p_lease.jobs * int8multirange(int8range(null, v_at))), (p_lease.jobs * int8multirange(int8range(v_at, null)))) h(jobs);
	elsif p_lease.hold = 2 and p_lease.attempt >= v_most then
		insert into penstock.dead (lane, priority, attempt, hop, input_hop, n, bytes, jobs)
		values (p_lease.lane, p_lease.priority, p_lease.attempt, p_lease.hop, p_lease.input_hop, 1, p_lease.bytes, p_lease.jobs);
	else
		insert into penstock.parcel (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
		values (p_lease.lane, p_lease.priority, p_lease.attempt - case when p_lease.hold = 2 then 0 else 1 end, p_lease.hop,
		        p_lease.input_hop, 2, 1, p_lease.bytes, p_lease.jobs);
	end if;
	if p_lease.n = 1 and p_lease.hold = 2 and p_lease.attempt >= v_most then
		perform penstock.jobs_ended('{}', p_lease.jobs, p_lease.jobs);
		if p_lease.job_keys is not null or p_lease.key_most > 0 then
			perform penstock.keys_left(p_lease, p_lease.jobs);
		end if;
	end if;
	if p_lease.n = 1 and p_lease.hold = 2 then
		insert into penstock.failure (job, lane, attempt, code, message, release)
		values (v_job, p_lease.lane, p_lease.attempt, 'LOST', 'the host process died while this job ran alone', '');
	end if;
	perform penstock.ring(p_lease.lane);
end $$;

-- The recorder named the job in whose stage a process died: it alone is charged, and isolated; the others come back as they were.
create or replace function penstock.blame_job(p_token uuid, p_job bigint, p_lane int, p_code text, p_message text) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_guilty constant int8multirange := int8multirange(int8range(p_job, p_job + 1));
	v_lease penstock.lease;
	v_bytes bigint;
begin
	delete from penstock.lease l where l.token = p_token and l.jobs @> p_job returning * into v_lease;
	if not found then
		return false;
	end if;
	v_bytes := v_lease.bytes / v_lease.n;
	insert into penstock.failure (job, lane, attempt, code, message, release)
	values (p_job, p_lane, v_lease.attempt, p_code, p_message, '');
	if v_lease.attempt >= (select l.max_attempts from penstock.lane l where l.id = v_lease.lane) then
		insert into penstock.dead (lane, priority, attempt, hop, input_hop, n, bytes, jobs)
		values (v_lease.lane, v_lease.priority, v_lease.attempt, v_lease.hop, v_lease.input_hop, 1, v_bytes, v_guilty);
		perform penstock.jobs_ended('{}', v_guilty, v_guilty);
		if v_lease.job_keys is not null or v_lease.key_most > 0 then
			perform penstock.keys_left(v_lease, v_guilty);
		end if;
	else
		insert into penstock.parcel (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
		values (v_lease.lane, v_lease.priority, v_lease.attempt, v_lease.hop, v_lease.input_hop, 2, 1, v_bytes, v_guilty);
	end if;
	if v_lease.n > 1 then
		insert into penstock.parcel (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
		values (v_lease.lane, v_lease.priority, v_lease.attempt - 1, v_lease.hop, v_lease.input_hop, v_lease.hold, v_lease.n - 1,
		        v_lease.bytes - v_bytes, v_lease.jobs - v_guilty);
	end if;
	perform penstock.ring(v_lease.lane);
	return true;
end $$;

-- Voids what hosts hold that are gone; SKIP LOCKED, and again at each sweep: a killed boot's claim may commit after its void.
create or replace function penstock.void_lost_leases() returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_lease penstock.lease;
	v_jobs bigint := 0;
begin
	for v_lease in select l.* from penstock.lease l
	               where not exists (select from penstock.host h where h.id = l.host) for update of l skip locked loop
		perform penstock.void_lost_lease(v_lease);
		v_jobs := v_jobs + v_lease.n;
	end loop;
	return v_jobs;
end $$;

-- p_former: the boot that this one replaces, which its supervisor saw die; 0: none.
create or replace function penstock.host_register(p_boot uuid, p_name text, p_machine text, p_pid int, p_version text, p_former bigint)
returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_host bigint;
begin
	insert into penstock.host (boot, name, machine, pid, version) values (p_boot, p_name, p_machine, p_pid, p_version)
	returning id into v_host;
	if p_former <> 0 then
		delete from penstock.host where id = p_former;
		delete from penstock.doorbell where host = p_former;
		perform penstock.void_lost_leases();
	end if;
	return v_host;
end $$;

-- Takes a host for dead, if its beat is still the one that was watched. The lock of the row decides a race between two reapers, and
-- between a reaper and a beat.
create or replace function penstock.host_reap(p_host bigint, p_beat bigint) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	delete from penstock.host h where h.id = p_host and h.beat = p_beat;
	if not found then
		return false;
	end if;
	delete from penstock.doorbell d where d.host = p_host;
	return true;
end $$;

-- After a drain: nothing is left, or it is handed back uncharged.
create or replace function penstock.host_leave(p_host bigint) returns int
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_jobs int;
begin
	select coalesce(sum(penstock.void_lease(l.token)), 0) into v_jobs from (select token from penstock.lease where host = p_host) l;
	delete from penstock.doorbell where host = p_host;
	delete from penstock.host where id = p_host;
	return v_jobs;
end $$;

-- Makes a pipeline and its lanes, or brings them up to date, and answers the lanes in the order of the stages. A lane whose stage
-- is not named any more stays: it may still hold jobs.
create or replace function penstock.register_pipeline(p_name text, p_stages text[], p_max_attempts smallint[],
	p_max_running int[] default '{}', p_rate float8[] default '{}', p_burst int[] default '{}',
	p_max_ready int[] default '{}', p_refuses int[] default '{}', p_limit_key text[] default '{}', p_max_per_key int[] default '{}')
returns int[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_pipeline int;
begin
	insert into penstock.pipeline (name) values (p_name) on conflict (name) do nothing;
	select id into strict v_pipeline from penstock.pipeline where name = p_name for update; -- hosts that start together take turns
	update penstock.lane l set position = -1
	where l.pipeline = v_pipeline and l.position >= 0 and l.stage <> all (p_stages);
	insert into penstock.lane as l (pipeline, stage, position, max_attempts, max_running, rate, burst, max_ready, refuses, limit_key, max_per_key)
	select v_pipeline, u.stage, u.o - 1, u.most, u.running, u.rate, case when u.rate is not null then u.burst end, u.ready, coalesce(u.refuses, 0) <> 0,
	       case when u.per_key is not null then u.limit_key end, u.per_key
	from unnest(p_stages, p_max_attempts, p_max_running, p_rate, p_burst, p_max_ready, p_refuses, p_limit_key, p_max_per_key)
	     with ordinality as u(stage, most, running, rate, burst, ready, refuses, limit_key, per_key, o)
	on conflict (pipeline, stage) do update
	set position = excluded.position, max_attempts = excluded.max_attempts, max_running = excluded.max_running, rate = excluded.rate,
	    burst = excluded.burst, max_ready = excluded.max_ready, refuses = excluded.refuses, limit_key = excluded.limit_key,
	    max_per_key = excluded.max_per_key,
	    full_since = case when excluded.max_ready is not null then l.full_since end
	where (l.position, l.max_attempts, l.max_running, l.rate, l.burst, l.max_ready, l.refuses, l.limit_key, l.max_per_key)
	      is distinct from (excluded.position, excluded.max_attempts, excluded.max_running, excluded.rate, excluded.burst,
	                        excluded.max_ready, excluded.refuses, excluded.limit_key, excluded.max_per_key);
	return (select array_agg(l.id order by u.o) from unnest(p_stages) with ordinality as u(stage, o)
	        join penstock.lane l on l.pipeline = v_pipeline and l.stage = u.stage);
end $$;
