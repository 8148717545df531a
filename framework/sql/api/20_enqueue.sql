-- SPDX-License-Identifier: BSD-2-Clause
-- Enqueue: what applications call, inside their own transaction. plpgsql, so that plans are cached.

create or replace function penstock.find_pipeline(p_name text, out pipeline int, out lane int)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
	select p.id, l.id into pipeline, lane
	from penstock.pipeline p join penstock.lane l on l.pipeline = p.id and l.position = 0
	where p.name = p_name;
	if lane is null then
		raise exception 'there is no pipeline ''%''', coalesce(p_name, 'null')
			using errcode = 'PS003',
			      hint = 'A pipeline is known once a host that has it was started. Known: ' ||
			             coalesce((select string_agg(p.name, ', ' order by p.name)
			                       from penstock.pipeline p join penstock.lane l on l.pipeline = p.id and l.position = 0), 'none') || '.';
	end if;
end $$;

-- The arguments that both forms share; answers the priority as it is stored.
create or replace function penstock.check_arguments(p_priority int, p_run_at timestamptz) returns smallint
language plpgsql immutable as $$
begin
	if p_priority is null or p_priority not between -32768 and 32767 then
		raise exception 'priority must be -32768 to 32767, not %', coalesce(p_priority::text, 'null') using errcode = 'PS004';
	end if;
	if not isfinite(p_run_at) then
		raise exception 'run_at must be a finite time' using errcode = 'PS004';
	end if;
	return p_priority;
end $$;

-- Refuses a message that could not be processed, and says how large a good one is.
create or replace function penstock.check_message(p_attributes json, p_body bytea) returns bigint
language plpgsql immutable as $$
declare
	v_attributes bigint := octet_length(p_attributes::text);
	v_body bigint := coalesce(octet_length(p_body), 0);
begin
	if p_attributes is null or json_typeof(p_attributes) <> 'object' then
		raise exception 'attributes must be a JSON object, not %', coalesce(json_typeof(p_attributes), 'null')
			using errcode = 'PS004', hint = 'Put the value into an object: {"value": ...}.';
	end if;
	if v_attributes > 1048576 then
		raise exception 'attributes are too large: % bytes, at most 1048576', v_attributes
			using errcode = 'PS004', hint = 'Put large content into the body.';
	end if;
	if v_body > 67108864 then
		raise exception 'the body is too large: % bytes, at most 67108864', v_body
			using errcode = 'PS004', hint = 'Put the content into a store of its own and its place into the attributes.';
	end if;
	return v_attributes + v_body;
end $$;

-- Wakes a sleeping host, only where one asked for it: NOTIFY takes a lock over the whole cluster at commit.
create or replace function penstock.ring(p_lane int, p_but bigint default 0) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	if exists (select from penstock.doorbell d where d.lane = p_lane and d.host <> p_but) then
		perform pg_notify('penstock', p_lane::text);
	end if;
end $$;

-- Takes an idempotency key for a job, or answers the job that has it. Waits for a transaction that is about to take the same key: only
-- its end decides. An expired key is taken over.
create or replace function penstock.take_key(p_pipeline int, p_key text, p_life interval, p_job bigint) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_job bigint;
begin
	if length(p_key) not between 1 and 255 then
		raise exception 'a key has 1 to 255 characters, not %', length(p_key) using errcode = 'PS004';
	end if;
	if p_life is null or p_life <= interval '0' then
		raise exception 'key_life must be positive, not %', coalesce(p_life::text, 'null') using errcode = 'PS004';
	end if;
	insert into penstock.key as k (pipeline, key, job, expires) values (p_pipeline, p_key, p_job, clock_timestamp() + p_life)
	on conflict (pipeline, key) do update set job = excluded.job, expires = excluded.expires where k.expires <= clock_timestamp()
	returning k.job into v_job;
	if v_job is null then
		select k.job into strict v_job from penstock.key k where k.pipeline = p_pipeline and k.key = p_key;
	end if;
	return v_job;
end $$;

-- The same for many, in the order of the keys: two transactions that took them in opposite orders would wait for each other.
create or replace function penstock.take_keys(p_pipeline int, p_keys text[], p_life interval, p_jobs bigint[]) returns bigint[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_jobs bigint[] := p_jobs;
	v_at record;
begin
	for v_at in select u.key, u.job, u.o from unnest(p_keys, p_jobs) with ordinality as u(key, job, o)
	            where u.key is not null order by u.key, u.o loop
		v_jobs[v_at.o] := penstock.take_key(p_pipeline, v_at.key, p_life, v_at.job);
	end loop;
	return v_jobs;
end $$;

-- Forgets expired keys, at most p_limit.
create or replace function penstock.forget_keys(p_limit int) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_n bigint;
begin
	with old as materialized (
		select k.pipeline, k.key from penstock.key k where k.expires <= clock_timestamp() order by k.expires limit p_limit for update skip locked
	)
	delete from penstock.key k using old where k.pipeline = old.pipeline and k.key = old.key;
	get diagnostics v_n = row_count;
	return v_n;
end $$;

create or replace function penstock.put_set(p_lane int, p_priority smallint, p_run_at timestamptz, p_n int, p_bytes bigint,
                                            p_jobs int8multirange) returns void
language plpgsql as $$
begin
	if p_run_at > clock_timestamp() then
		insert into penstock.deferred (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs, run_at)
		values (p_lane, p_priority, 0, 0, 0, 0, p_n, p_bytes, p_jobs, p_run_at);
	else
		insert into penstock.parcel (lane, priority, n, bytes, jobs) values (p_lane, p_priority, p_n, p_bytes, p_jobs);
	end if;
end $$;

-- Jobs with ordering keys wait for their turn, in the order of their ids; one without a key is ready, and is not among them. Nothing but
-- an append: who comes first is for give_turns() to say.
create or replace function penstock.put_ordered(p_pipeline int, p_lane int, p_priority smallint, p_ids bigint[], p_keys text[], p_bytes bigint[])
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if exists (select from unnest(p_keys) k where length(k) not between 1 and 255) then
		raise exception 'an ordering key has 1 to 255 characters' using errcode = 'PS004';
	end if;
	insert into penstock.arrival (pipeline, lane, priority, n, bytes, jobs, keys)
	select p_pipeline, p_lane, p_priority, count(*), sum(u.bytes), range_agg(int8range(u.id, u.id + 1)), array_agg(u.key order by u.id)
	from unnest(p_ids, p_keys, p_bytes) as u(id, key, bytes);
	if exists (select from penstock.doorbell d where d.lane = p_lane) then
		perform pg_notify('penstock', 'order');
	end if;
end $$;

-- One job; answers its id. The job exists when, and only when, the caller's transaction commits.
-- With a key: while a job that was enqueued with the same key is younger than its key_life, that job's id is answered and nothing is
-- enqueued, whatever became of it.
create or replace function penstock.enqueue(pipeline text, attributes json default '{}', body bytea default null,
                                            priority int default 0, run_at timestamptz default null,
                                            traceparent text default null, key text default null,
                                            key_life interval default '1 day', ordering_key text default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_priority smallint := penstock.check_arguments(enqueue.priority, enqueue.run_at);
	v_bytes bigint := penstock.check_message(enqueue.attributes, enqueue.body);
	v_at record := penstock.find_pipeline(enqueue.pipeline);
	v_id bigint := nextval('penstock.job_id');
	v_taken bigint;
begin
	if enqueue.ordering_key is not null and enqueue.run_at is not null then
		raise exception 'run_at and ordering_key exclude each other' using errcode = 'PS004',
			hint = 'A job that is due later would hold up those behind it.';
	end if;
	if enqueue.key is not null then
		v_taken := penstock.take_key(v_at.pipeline, enqueue.key, enqueue.key_life, v_id);
		if v_taken <> v_id then
			return v_taken;
		end if;
	end if;
	perform penstock.check_room(v_at.lane);
	insert into penstock.job (id, pipeline, attributes, body, traceparent)
	values (v_id, v_at.pipeline, enqueue.attributes, enqueue.body, enqueue.traceparent);
	if enqueue.ordering_key is not null then
		perform penstock.put_ordered(v_at.pipeline, v_at.lane, v_priority, array[v_id], array[enqueue.ordering_key], array[v_bytes]);
		return v_id;
	end if;
	perform penstock.put_set(v_at.lane, v_priority, enqueue.run_at, 1, v_bytes, int8multirange(int8range(v_id, v_id + 1)));
	perform penstock.ring(v_at.lane);
	return v_id;
end $$;

-- Many jobs in one statement; answers their ids in the order of the arrays. bodies and keys may be null, or must be as long as
-- attributes. A key that stands twice, or is taken, answers the first one's job.
create or replace function penstock.enqueue_many(pipeline text, attributes json[], bodies bytea[] default null,
                                                 priority int default 0, run_at timestamptz default null,
                                                 keys text[] default null, key_life interval default '1 day',
                                                 ordering_keys text[] default null) returns bigint[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_priority smallint := penstock.check_arguments(enqueue_many.priority, enqueue_many.run_at);
	v_at record := penstock.find_pipeline(enqueue_many.pipeline);
	v_n int := coalesce(cardinality(enqueue_many.attributes), 0);
	v_drawn bigint[]; -- an id for each
	v_ids bigint[]; -- the job of each
	v_set record;
	v_new boolean := false;
begin
	if enqueue_many.bodies is not null and cardinality(enqueue_many.bodies) <> v_n then
		raise exception 'bodies has % elements, attributes has %', cardinality(enqueue_many.bodies), v_n using errcode = 'PS004';
	end if;
	if enqueue_many.keys is not null and cardinality(enqueue_many.keys) <> v_n then
		raise exception 'keys has % elements, attributes has %', cardinality(enqueue_many.keys), v_n using errcode = 'PS004';
	end if;
	if enqueue_many.ordering_keys is not null and cardinality(enqueue_many.ordering_keys) <> v_n then
		raise exception 'ordering_keys has % elements, attributes has %', cardinality(enqueue_many.ordering_keys), v_n using errcode = 'PS004';
	end if;
	if enqueue_many.ordering_keys is not null and enqueue_many.run_at is not null then
		raise exception 'run_at and ordering_keys exclude each other' using errcode = 'PS004';
	end if;
	perform penstock.check_room(v_at.lane);
	v_drawn := array(select nextval('penstock.job_id') from generate_series(1, v_n));
	v_ids := case when enqueue_many.keys is null then v_drawn
	              else penstock.take_keys(v_at.pipeline, enqueue_many.keys, enqueue_many.key_life, v_drawn) end;
	for v_set in
		with message as materialized (
			select m.id, m.a, m.b, m.k, m.o, penstock.check_message(m.a, m.b) as bytes
			from unnest(v_drawn, v_ids, enqueue_many.attributes, enqueue_many.bodies, enqueue_many.ordering_keys)
			     with ordinality as m(id, taken, a, b, k, o)
			where m.id = m.taken
		), job as (
			insert into penstock.job (id, pipeline, attributes, body) select id, v_at.pipeline, a, b from message
		)
		select k is not null as is_ordered, count(*)::int as n, sum(bytes)::bigint as bytes, range_agg(int8range(id, id + 1)) as jobs,
		       case when k is not null then array_agg(id order by o) end as ids, case when k is not null then array_agg(k order by o) end as keys,
		       case when k is not null then array_agg(bytes order by o) end as sizes
		from message group by k is not null, (o - 1) / 1000 order by (o - 1) / 1000
	loop
		if v_set.is_ordered then
			perform penstock.put_ordered(v_at.pipeline, v_at.lane, v_priority, v_set.ids, v_set.keys, v_set.sizes);
		else
			perform penstock.put_set(v_at.lane, v_priority, enqueue_many.run_at, v_set.n, v_set.bytes, v_set.jobs);
			v_new := true;
		end if;
	end loop;
	if v_new then
		perform penstock.ring(v_at.lane);
	end if;
	return v_ids;
end $$;

-- The bulk road of the command line, for roles that may write the tables: reserve ids, COPY the rows into penstock.job,
-- then schedule exactly these ids, all in one transaction.
-- Nobody else may have drawn in between, mostly: then it is one range, and needs no sort.
create or replace function penstock.reserve_ids(p_n int) returns int8multirange
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
	v_ids bigint[];
	v_first bigint;
	v_last bigint;
begin
	select array_agg(id), min(id), max(id) into v_ids, v_first, v_last
	from (select nextval('penstock.job_id') as id from generate_series(1, p_n)) s;
	if v_last - v_first + 1 = p_n then
		return int8multirange(int8range(v_first, v_last + 1));
	end if;
	return (select range_agg(int8range(id, id + 1)) from unnest(v_ids) as id);
end $$;

create or replace function penstock.schedule_copied(p_lane int, p_priority smallint, p_n int[], p_bytes bigint[], p_jobs int8multirange[])
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	perform penstock.check_room(p_lane);
	insert into penstock.parcel (lane, priority, n, bytes, jobs)
	select p_lane, p_priority, u.n, u.bytes, u.jobs from unnest(p_n, p_bytes, p_jobs) as u(n, bytes, jobs);
	perform penstock.ring(p_lane);
end $$;
