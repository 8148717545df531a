-- SPDX-License-Identifier: BSD-2-Clause
-- Cron expressions, time zones, summer time; one firing; what is caught up.
select test.world();
create function next_at(cron text, zone text, after text) returns text language sql as
	$$ select to_char(penstock.cron_next(cron, zone, after::timestamptz) at time zone zone, 'YYYY-MM-DD HH24:MI Dy') $$;
create function times(cron text, zone text, after text, n int) returns text language plpgsql as $$
declare
	v_at timestamptz := after::timestamptz;
	v_all text := '';
begin
	for i in 1 .. n loop
		v_at := penstock.cron_next(cron, zone, v_at);
		v_all := v_all || ' ' || to_char(v_at at time zone 'UTC', 'DD-HH24:MI');
	end loop;
	return trim(v_all);
end $$;

-- fields
select test.is('every minute', '2026-03-01 00:01 Sun', next_at('* * * * *', 'UTC', '2026-03-01 00:00Z'));
select test.is('strictly after', '2026-03-01 00:05 Sun', next_at('*/5 * * * *', 'UTC', '2026-03-01 00:00Z'));
select test.is('seconds do not matter', '2026-03-01 00:05 Sun', next_at('*/5 * * * *', 'UTC', '2026-03-01 00:00:59Z'));
select test.is('a list', '2026-03-01 06:45 Sun', next_at('15,45 6,18 * * *', 'UTC', '2026-03-01 06:15Z'));
select test.is('a range with a step', '2026-03-01 13:00 Sun', next_at('0 9-17/4 * * *', 'UTC', '2026-03-01 09:00Z'));
select test.is('weekdays by name', '2026-03-02 02:30 Mon', next_at('30 2 * * mon-fri', 'UTC', '2026-02-27 02:30Z'));
select test.is('sunday is 0 and 7', '2026-03-08 00:00 Sun', next_at('0 0 * * 7', 'UTC', '2026-03-01 00:00Z'));
select test.is('months by name', '2027-02-01 00:00 Mon', next_at('0 0 1 feb *', 'UTC', '2026-02-01 00:00Z'));
select test.is('either day when both are named', '2026-03-06 00:00 Fri', next_at('0 0 13 * fri', 'UTC', '2026-03-05 00:00Z'));
select test.is('and the other', '2026-03-13 00:00 Fri', next_at('0 0 13 * fri', 'UTC', '2026-03-06 00:00Z'));
select test.is('both when one is a step', '2026-03-01 00:00 Sun', next_at('0 0 */2 * sun', 'UTC', '2026-02-28 00:00Z'));
select test.is('29 February', '2028-02-29 12:00 Tue', next_at('0 12 29 2 *', 'UTC', '2026-03-01 00:00Z'));
select test.is('over a century without one', '2104-02-29 12:00 Fri', next_at('0 12 29 2 *', 'UTC', '2096-03-01 00:00Z'));
select test.is('never', null, next_at('0 0 30 2 *', 'UTC', '2026-03-01 00:00Z'));
select test.is('by a name', '2026-04-01 00:00 Wed', next_at('@monthly', 'UTC', '2026-03-01 00:00Z'));

-- summer time: in Berlin 02:00 to 03:00 is left out on 29 March 2026, and comes twice on 25 October
select test.is('by the clock on the wall', '27-01:30 28-01:30 29-01:30 30-00:30 31-00:30', times('30 2 * * *', 'Europe/Berlin', '2026-03-26 12:00Z', 5));
select test.is('the hour that is left out', '2026-03-29 03:30 Sun', next_at('30 2 * * *', 'Europe/Berlin', '2026-03-28 12:00Z'));
select test.is('the hour that comes twice counts once', 2, (select count(*) from (select distinct unnest(string_to_array(times('30 2 * * *', 'Europe/Berlin', '2026-10-24 12:00Z', 2), ' '))) x));
select test.is('and the next is a day later', '2026-10-26 02:30 Mon', next_at('30 2 * * *', 'Europe/Berlin', '2026-10-25 01:30Z'));
select test.is('even time goes on through it', '24-23:30 25-00:00 25-00:30 25-01:00 25-01:30 25-02:00', times('*/30 * * * *', 'Europe/Berlin', '2026-10-24 23:00Z', 6));
select test.is('and through the gap', '29-00:30 29-01:00 29-01:30', times('*/30 * * * *', 'Europe/Berlin', '2026-03-29 00:00Z', 3));
select test.is('a half-hour zone', '2026-03-01 09:00 Sun', next_at('0 9 * * *', 'Asia/Kolkata', '2026-03-01 03:00Z'));

-- refused
select test.refused('no expression', $$ select penstock.cron_parse('') $$, 'PS004', '0 fields');
select test.refused('null', $$ select penstock.cron_parse(null) $$, 'PS004', '0 fields');
select test.refused('six fields', $$ select penstock.cron_parse('0 0 0 1 1 *') $$, 'PS004', '6 fields, not 5');
select test.refused('minute 60', $$ select penstock.cron_parse('60 * * * *') $$, 'PS004', 'minute ''60'' is not 0 to 59');
select test.refused('hour 24', $$ select penstock.cron_parse('0 24 * * *') $$, 'PS004', 'hour ''24''');
select test.refused('day 0', $$ select penstock.cron_parse('0 0 0 * *') $$, 'PS004', 'day of month ''0''');
select test.refused('a name that is none', $$ select penstock.cron_parse('0 0 * foo *') $$, 'PS004', 'month ''foo''');
select test.refused('backwards', $$ select penstock.cron_parse('0 0 * * 5-1') $$, 'PS004', 'ends before it begins');
select test.refused('a step of 0', $$ select penstock.cron_parse('*/0 * * * *') $$, 'PS004', 'minute');
select test.refused('words', $$ select penstock.cron_parse('every day at noon please') $$, 'PS004', 'minute ''every''');
select test.refused('an empty part', $$ select penstock.cron_parse('1,,2 * * * *') $$, 'PS004', 'minute');
select test.refused('too long', $$ select penstock.cron_parse(repeat('1,', 200) || '1 * * * *') $$, 'PS004', 'at most 200');

-- schedules
select test.is('no schedule: nothing to wait for', null, (select next_ms::text from penstock.fire_schedules(clock_timestamp())));
select test.refused('never', $$ select penstock.schedule('s', 'p', '0 0 30 2 *') $$, 'PS004', 'names no time');
select test.refused('no such pipeline', $$ select penstock.schedule('s', 'x', '@daily') $$, 'PS003', 'no pipeline');
select test.refused('no such zone', $$ select penstock.schedule('s', 'p', '@daily', time_zone => 'Europe/Atlantis') $$, 'PS004', 'no time zone');
select test.refused('no name', $$ select penstock.schedule('A b', 'p', '@daily') $$, 'PS004', 'name is 1 to 63');
select test.refused('no such rule', $$ select penstock.schedule('s', 'p', '@daily', catch_up => 'some') $$, 'PS004', 'skip, one or all');
select clock_timestamp() as before \gset
select test.is('in the future', 'true', (penstock.schedule('s', 'p', '*/10 * * * *', '{"a": 1}', priority => 5) > now())::text);
select test.is('it says how long', 'true', (select (next_ms between 1 and 1200000)::text from penstock.fire_schedules(:'before')));
select test.is('nothing is due', 0, (select jobs from penstock.fire_schedules(:'before')));

update penstock.schedule set next_at = date_trunc('hour', now()) - interval '2 hours';
create function due() returns timestamptz language sql as $$ select next_at from penstock.schedule $$;
select clock_timestamp() as now \gset
select test.is('one for all that were missed', 1, (select jobs from penstock.fire_schedules(:'now')));
select test.is('next is in the future', 'true', (due() > :'now')::text);
select test.is('the job says for when', 'true', (select bool_and((attributes->>'scheduled_at')::timestamptz between :'now'::timestamptz - interval '10 min' and :'now' and attributes->>'a' = '1')::text from penstock.job));
select test.is('with its priority', 5, (select priority::bigint from penstock.parcel));
select test.is('not again', 0, (select jobs from penstock.fire_schedules(:'before')));

select penstock.schedule('s', 'p', '*/10 * * * *', catch_up => 'all');
update penstock.schedule set next_at = date_trunc('hour', now()) - interval '2 hours';
select test.is('all that were missed', 'true', (select (jobs between 13 and 18)::text from penstock.fire_schedules(clock_timestamp())));
select test.is('each for a time of its own', (select count(*) from penstock.job where attributes->>'a' is null),
	(select count(distinct attributes->>'scheduled_at') from penstock.job where attributes->>'a' is null));
update penstock.schedule set next_at = date_trunc('hour', now()) - interval '30 days';
select test.is('so many in a round', 100, (select jobs from penstock.fire_schedules(clock_timestamp())));
select test.is('and the rest in the next', 'true', (due() < now())::text);

select penstock.schedule('s', 'p', '0 0 1 1 *', catch_up => 'skip');
update penstock.schedule set next_at = now() - interval '5 minutes';
select test.is('skipped', 0, (select jobs from penstock.fire_schedules(clock_timestamp())));
update penstock.schedule set next_at = :'now'::timestamptz - interval '10 seconds';
select test.is('but not a time that is only late', 1, (select jobs from penstock.fire_schedules(:'now')));
update penstock.schedule set next_at = '2001-01-01 00:00Z', cron = '* * * * *';
select test.is('years that were missed are no work', 0, (select jobs - 1 from penstock.fire_schedules(date_trunc('minute', clock_timestamp()) + interval '1 s')));

select penstock.run_schedule('s') as job \gset
select test.is('run now', 'ready', test.state(:job));
select test.refused('which?', $$ select penstock.run_schedule('t') $$, 'PS003', 'no schedule');
select test.is('gone', 'true', penstock.unschedule('s')::text);
select test.is('was gone', 'false', penstock.unschedule('s')::text);
select test.clean();

-- schedules of configurations: hosts one and two, both with pipeline p, two with q besides
create function put(host text, pipelines text[], names text[], pipeline text, cron text default '@daily') returns bigint language sql as $$
	select penstock.register_schedules(host, pipelines, names, array_fill(pipeline, array[n]), array_fill(cron, array[n]), array_fill('UTC'::text, array[n]),
		array_fill('{"a": 1}'::text, array[n]), array_fill(0, array[n]), array_fill('one'::text, array[n]), array_fill('conf:7'::text, array[n]))
	from (select cardinality(names) as n) s
$$;
create function names() returns text language sql as $$ select string_agg(name || coalesce('@' || source_host, ''), ' ' order by name) from penstock.schedule $$;
select penstock.schedule('by-hand', 'p', '@daily');
select test.is('nothing was there', 0, put('one', '{p}', '{s,t}', 'p'));
select test.is('two beside that of the command', 'by-hand s@one t@one', names());
select test.is('marked', 'conf:7', (select source from penstock.schedules where name = 's'));
update penstock.schedule set next_at = '2026-03-01 00:00Z', last_at = '2026-02-28 00:00Z' where name = 's';
select test.is('another start', 0, put('one', '{p}', '{s,t}', 'p'));
select test.is('changes no times', '2026-03-01 00:00:00+00', (select next_at::text from penstock.schedules where name = 's'));
select test.is('one is gone', 1, put('one', '{p}', '{s}', 'p'));
select test.is('by hand stays', 'by-hand s@one', names());
select test.is('another host has its own', 0, put('two', '{q}', '{u}', 'q'));
select test.is('both', 'by-hand s@one u@two', names());
select test.is('the same pipeline: the last one counts', 1, put('two', '{p,q}', '{u,v}', 'p'));
select test.is('', 'by-hand u@two v@two', names());
select test.is('its host has the pipeline no more', 2, put('two', '{q}', '{}', 'q'));
select test.is('', 'by-hand', names());
select test.is('one made by hand is taken over', 0, put('one', '{p}', '{by-hand}', 'p', '@hourly'));
select test.is('', 'by-hand@one', names());
select test.refused('and changed by hand no more', $$ select penstock.schedule('by-hand', 'p', '@daily') $$, 'PS004', 'stands in a configuration: conf:7');
select test.refused('what is wrong says where it stands', $$ select put('one', '{p}', '{w}', 'p', '0 25 * * *') $$, 'PS004', 'conf:7: schedule ''w'': cron: hour ''25''');
select test.is('and nothing is changed', 'by-hand@one', names());
select test.is('fired like others', 'ready', test.state(penstock.run_schedule('by-hand')));

-- a pipeline that takes no jobs any more
select penstock.schedule('closed', 'q', '@hourly');
update penstock.schedule set next_at = 'infinity' where name <> 'closed';
update penstock.schedule set next_at = clock_timestamp() - interval '1 second' where name = 'closed';
update penstock.lane set position = -1 where pipeline = 2;
select test.is('it is left out, and nobody waits for it', '(0,)', (select f::text from penstock.fire_schedules(clock_timestamp()) f));
update penstock.lane set position = 0 where pipeline = 2;
select test.is('until it is open again', 1, (select jobs from penstock.fire_schedules(clock_timestamp())));
select test.clean();
