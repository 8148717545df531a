-- SPDX-License-Identifier: BSD-2-Clause
-- Schedules: a job at each time that a cron expression names, in a time zone. One row each; whoever locks it fires it.

-- One field of a cron expression as its numbers: *, 1, 1-5, */15, 1-30/2, lists of these, and names where p_names has some (the first
-- one stands for p_least).
create or replace function penstock.cron_field(p_text text, p_what text, p_least int, p_most int, p_names text[] default '{}') returns int[]
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
	v_part text;
	v_m text[];
	v_from int;
	v_to int;
	v_all int[] := '{}';
	v_name constant text := '[a-z]{3}|[0-9]{1,2}';
begin
	foreach v_part in array string_to_array(lower(p_text), ',') loop
		v_m := regexp_match(v_part, '^(?:(\*)|(' || v_name || ')(?:-(' || v_name || '))?)(?:/([0-9]{1,2}))?$');
		if v_m is null or (v_m[4] is not null and v_m[4]::int = 0) then
			raise exception 'cron: % ''%'' is no %', p_what, left(p_text, 40), '*, number, range, step or list of these'
				using errcode = 'PS004', hint = 'For example: */15, 1-5, mon-fri, 0,30.';
		end if;
		if v_m[1] = '*' then
			v_from := p_least;
			v_to := p_most;
		else
			v_from := penstock.cron_number(v_m[2], p_what, p_least, p_most, p_names);
			v_to := case when v_m[3] is not null then penstock.cron_number(v_m[3], p_what, p_least, p_most, p_names)
			             when v_m[4] is not null then p_most else v_from end;
		end if;
		if v_to < v_from then
			raise exception 'cron: % ''%'' ends before it begins', p_what, left(v_part, 40) using errcode = 'PS004';
		end if;
		v_all := v_all || array(select n from generate_series(v_from, v_to, coalesce(v_m[4]::int, 1)) n);
	end loop;
	return array(select distinct n from unnest(v_all) n order by n);
end $$;

create or replace function penstock.cron_number(p_text text, p_what text, p_least int, p_most int, p_names text[]) returns int
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
	v_n int := coalesce(array_position(p_names, p_text) + p_least - 1, case when p_text ~ '^[0-9]+$' then p_text::int end);
begin
	if v_n is null or v_n not between p_least and p_most then
		raise exception 'cron: % ''%'' is not % to %', p_what, p_text, p_least, p_most using errcode = 'PS004';
	end if;
	return v_n;
end $$;

-- minute hour day-of-month month day-of-week, or @hourly, @daily, @weekly, @monthly, @yearly. Where both days are restricted, either
-- of them is enough, as in cron(8).
create or replace function penstock.cron_parse(p_cron text, out minutes int[], out hours int[], out days int[], out months int[],
                                               out weekdays int[], out by_clock boolean, out either_day boolean)
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
	v_text text := trim(coalesce(p_cron, ''));
	v_f text[];
begin
	if length(v_text) > 200 then
		raise exception 'cron: % characters, at most 200', length(v_text) using errcode = 'PS004';
	end if;
	v_text := case lower(v_text) when '@hourly' then '0 * * * *' when '@daily' then '0 0 * * *' when '@midnight' then '0 0 * * *'
	          when '@weekly' then '0 0 * * 0' when '@monthly' then '0 0 1 * *' when '@yearly' then '0 0 1 1 *' when '@annually' then '0 0 1 1 *'
	          else v_text end;
	v_f := regexp_split_to_array(v_text, '\s+');
	if cardinality(v_f) <> 5 then
		raise exception 'cron: ''%'' has % fields, not 5', left(v_text, 40), case v_text when '' then 0 else cardinality(v_f) end
			using errcode = 'PS004', hint = 'minute hour day-of-month month day-of-week: 30 2 * * mon-fri; or @hourly, @daily, @weekly, @monthly, @yearly.';
	end if;
	minutes := penstock.cron_field(v_f[1], 'minute', 0, 59);
	hours := penstock.cron_field(v_f[2], 'hour', 0, 23);
	days := penstock.cron_field(v_f[3], 'day of month', 1, 31);
	months := penstock.cron_field(v_f[4], 'month', 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}');
	weekdays := array(select distinct n % 7 from unnest(penstock.cron_field(v_f[5], 'day of week', 0, 7, '{sun,mon,tue,wed,thu,fri,sat}')) n);
	by_clock := v_f[2] not like '*%';
	either_day := v_f[3] not like '*%' and v_f[5] not like '*%';
end $$;

-- The first time after p_after that the expression names, by the clocks of the zone. Named hours follow the clock on the wall: one that
-- a change to summer time leaves out comes as much later as was left out, one that comes twice counts once. With * or */n as
-- hours time is even: every instant that shows the minute. Null: never in the next 9 years (30 February).
create or replace function penstock.cron_next(p_cron text, p_zone text, p_after timestamptz) returns timestamptz
language plpgsql stable set search_path = pg_catalog, pg_temp set jit = off as $$
declare
	c record := penstock.cron_parse(p_cron);
	v_after constant timestamptz := date_trunc('minute', p_after);
	v_day date := (v_after at time zone p_zone)::date;
	v_last constant date := v_day + 3300;
	v_at timestamptz;
begin
	while v_day <= v_last loop
		if extract(month from v_day)::int <> all (c.months) then
			v_day := (date_trunc('month', v_day) + interval '1 month')::date;
			continue;
		end if;
		if (case when c.either_day then extract(day from v_day)::int = any (c.days) or extract(dow from v_day)::int = any (c.weekdays)
		        else extract(day from v_day)::int = any (c.days) and extract(dow from v_day)::int = any (c.weekdays) end) then
			if c.by_clock then
				select min(t.instant) into v_at
				from (select (v_day + make_interval(hours => h, mins => m)) at time zone p_zone as instant from unnest(c.hours) h, unnest(c.minutes) m) t
				where t.instant > p_after;
			else
				select min(t.instant) into v_at
				from generate_series(v_day::timestamp at time zone p_zone, (v_day + 1)::timestamp at time zone p_zone - interval '1 minute',
				                     interval '1 minute') as t(instant)
				where t.instant > p_after and extract(minute from t.instant at time zone p_zone)::int = any (c.minutes)
				  and extract(hour from t.instant at time zone p_zone)::int = any (c.hours);
			end if;
			if v_at is not null then
				return v_at;
			end if;
		end if;
		v_day := v_day + 1;
	end loop;
	return null;
end $$;

-- Makes or changes a schedule; answers when it fires next. p_source, p_host: null, or where it stands.
create or replace function penstock.put_schedule(p_name text, p_pipeline text, p_cron text, p_attributes json, p_zone text, p_priority int,
                                                 p_catch_up text, p_source text, p_host text) returns timestamptz
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_priority smallint := penstock.check_arguments(p_priority, null);
	v_pipeline int := (penstock.find_pipeline(p_pipeline)).pipeline;
	v_next timestamptz;
begin
	perform penstock.check_message(p_attributes, null);
	if p_name is null or p_name !~ '^[a-z0-9_][a-z0-9_-]{0,62}$' then
		raise exception 'a schedule''s name is 1 to 63 lower-case letters, digits, _ and -, not ''%''', coalesce(left(p_name, 80), 'null')
			using errcode = 'PS004';
	end if;
	if not exists (select from pg_timezone_names z where z.name = p_zone) then
		raise exception 'there is no time zone ''%''', coalesce(left(p_zone, 80), 'null')
			using errcode = 'PS004', hint = 'select name from pg_timezone_names';
	end if;
	if p_catch_up is null or p_catch_up not in ('skip', 'one', 'all') then
		raise exception 'catch_up is skip, one or all, not ''%''', coalesce(left(p_catch_up, 80), 'null') using errcode = 'PS004';
	end if;
	v_next := penstock.cron_next(p_cron, p_zone, clock_timestamp());
	if v_next is null then
		raise exception 'cron: ''%'' names no time in the next 9 years', p_cron using errcode = 'PS004';
	end if;
	insert into penstock.schedule as s (name, pipeline, cron, time_zone, attributes, priority, catch_up, next_at, source, source_host)
	values (p_name, v_pipeline, p_cron, p_zone, p_attributes, v_priority, p_catch_up, v_next, p_source, p_host)
	on conflict on constraint schedule_pkey do update
	set pipeline = excluded.pipeline, attributes = excluded.attributes, priority = excluded.priority, catch_up = excluded.catch_up,
	    next_at = case when (s.cron, s.time_zone) = (excluded.cron, excluded.time_zone) then s.next_at else excluded.next_at end,
	    cron = excluded.cron, time_zone = excluded.time_zone, source = excluded.source, source_host = excluded.source_host
	returning s.next_at into v_next;
	return v_next;
end $$;

-- The same for people and applications. catch_up says what becomes of times that passed while no host ran: 'skip' them, fire 'one' job
-- for all of them, or 'all', at most 100. A time that is at most a minute old is not missed. A schedule that stands in a configuration
-- is changed there: here it is refused, since the next start of a host would take it back.
create or replace function penstock.schedule(name text, pipeline text, cron text, attributes json default '{}', time_zone text default 'UTC',
                                             priority int default 0, catch_up text default 'one') returns timestamptz
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_source text := (select s.source from penstock.schedule s where s.name = schedule.name);
begin
	if v_source is not null then
		raise exception 'schedule ''%'' stands in a configuration: %', schedule.name, v_source
			using errcode = 'PS004', hint = 'Change it there, and reload the hosts; or choose another name.';
	end if;
	return penstock.put_schedule(schedule.name, schedule.pipeline, schedule.cron, schedule.attributes, schedule.time_zone, schedule.priority,
	                             schedule.catch_up, null, null);
end $$;

-- All schedules of a host's configuration: made, or brought up to date, also where one of that name was made by a command. Those that came
-- from a configuration of these pipelines, or of a host of this name, and stand in it no more, go. Answers how many went.
create or replace function penstock.register_schedules(p_host text, p_pipelines text[], p_name text[], p_pipeline text[], p_cron text[],
                                                       p_zone text[], p_attributes text[], p_priority int[], p_catch_up text[], p_source text[])
returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_s record;
	v_n bigint;
begin
	perform pg_advisory_xact_lock(7306079001428); -- hosts that start together take turns
	delete from penstock.schedule s
	where s.source is not null and s.name <> all (p_name)
	  and (s.source_host = p_host or s.pipeline in (select p.id from penstock.pipeline p where p.name = any (p_pipelines)));
	get diagnostics v_n = row_count;
	for v_s in
		select * from unnest(p_name, p_pipeline, p_cron, p_zone, p_attributes, p_priority, p_catch_up, p_source)
		              as u(name, pipeline, cron, zone, attributes, priority, catch_up, source)
	loop
		begin
			perform penstock.put_schedule(v_s.name, v_s.pipeline, v_s.cron, v_s.attributes::json, v_s.zone, v_s.priority, v_s.catch_up, v_s.source, p_host);
		exception
			when sqlstate 'PS003' or sqlstate 'PS004' then
				raise exception '%: schedule ''%'': %', v_s.source, v_s.name, sqlerrm using errcode = sqlstate;
		end;
	end loop;
	return v_n;
end $$;

-- Answers whether there was one.
create or replace function penstock.unschedule(name text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	delete from penstock.schedule s where s.name = unschedule.name;
	return found;
end $$;

-- A job of this schedule, for a time that it names or for now; once for each time, by its key.
create or replace function penstock.fire(p_schedule penstock.schedule, p_at timestamptz) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	return penstock.enqueue(
		(select p.name from penstock.pipeline p where p.id = p_schedule.pipeline),
		(p_schedule.attributes::jsonb || jsonb_build_object('schedule', p_schedule.name, 'scheduled_at', p_at))::json,
		priority => p_schedule.priority,
		key => 'schedule/' || p_schedule.name || '/' || to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'));
end $$;

-- Fires now, whatever the time; the schedule goes on as before. Answers the job.
create or replace function penstock.run_schedule(name text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_schedule penstock.schedule;
begin
	select s.* into v_schedule from penstock.schedule s where s.name = run_schedule.name;
	if not found then
		raise exception 'there is no schedule ''%''', coalesce(left(run_schedule.name, 80), 'null') using errcode = 'PS003',
			hint = 'Known: ' || coalesce((select string_agg(s.name, ', ' order by s.name) from penstock.schedule s), 'none') || '.';
	end if;
	return penstock.fire(v_schedule, clock_timestamp());
end $$;

-- What is due by p_now, and which of the times that were missed. Called by every host's janitor: a schedule is fired by the one that
-- has its lock. One whose pipeline takes no jobs any more is left out until it does again. Answers how many jobs, and in how
-- many ms the next one is due (null: none).
create or replace function penstock.fire_schedules(p_now timestamptz, out jobs bigint, out next_ms bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	c_late constant interval := '1 minute';
	c_most constant int := 100; -- for one schedule and round: a larger back-fill goes on in the next
	v_schedule penstock.schedule;
	v_at timestamptz;
	v_next timestamptz;
	v_n int;
begin
	jobs := 0;
	for v_schedule in select s.* from penstock.schedule s
	                  where s.next_at <= p_now and exists (select from penstock.lane l where l.pipeline = s.pipeline and l.position = 0)
	                  order by s.next_at for update of s skip locked loop
		v_at := v_schedule.next_at;
		v_n := 0;
		loop
			v_next := penstock.cron_next(v_schedule.cron, v_schedule.time_zone, v_at);
			-- all of them, or the last that is due
			if v_schedule.catch_up = 'all' or v_next is null or v_next > p_now then
				if v_schedule.catch_up <> 'skip' or v_at > p_now - c_late then
					perform penstock.fire(v_schedule, v_at);
					v_n := v_n + 1;
				end if;
			end if;
			exit when v_next is null or v_next > p_now or v_n >= c_most;
			if v_schedule.catch_up <> 'all' and v_at < p_now - interval '1 day' then
				v_next := penstock.cron_next(v_schedule.cron, v_schedule.time_zone, p_now - interval '1 day'); -- no walk through years
				exit when v_next > p_now;
			end if;
			v_at := v_next;
		end loop;
		update penstock.schedule s set next_at = coalesce(v_next, 'infinity'), last_at = case when v_n > 0 then v_at else s.last_at end
		where s.name = v_schedule.name;
		jobs := jobs + v_n;
	end loop;
	select min(s.next_at) into v_next from penstock.schedule s
	where isfinite(s.next_at) and exists (select from penstock.lane l where l.pipeline = s.pipeline and l.position = 0);
	if v_next is not null then -- greatest() would make 0 of a null
		next_ms := greatest(ceil(extract(epoch from v_next - clock_timestamp()) * 1000), 0);
	end if;
end $$;
