-- SPDX-License-Identifier: BSD-2-Clause
-- Limits for each key: lane 1 runs two jobs of one "of" at once, whatever becomes of them.
select test.is('lanes', '{1,2}', penstock.register_pipeline('p', '{a,b}', '{3,3}', p_limit_key => '{of,null}', p_max_per_key => array[2, null]::int[])::text);
select test.is('host', 1, penstock.host_register(gen_random_uuid(), 'one', 'machine', 1, '0', 0));
create function test.put_keyed(variadic keys text[]) returns bigint[]
language sql as $$ select penstock.enqueue_many('p', array(select json_build_object('of', k) from unnest(keys) with ordinality as u(k, o) order by u.o)) $$;
create function test.running(k text) returns bigint
language sql as $$ select coalesce((select n from penstock.running_keys(1) where key = k), 0) $$;
create function test.parked() returns text
language sql as $$ select coalesce(string_agg(key || ' ' || n, ', ' order by key), '') from (select key, sum(n) as n from penstock.parked group by key) s $$;

-- more of one key than may run, in one set
select test.put_keyed('x', 'x', 'x', 'x', 'x', 'y');
select test.is('two of x, and y', 3, (select n from test.claim(1, 10)));
select test.is('the others wait', 'x 3', test.parked());
select test.is('they are waiting', 'waiting', test.state(3));
select test.is('and counted as that', 3, (select waiting from penstock.lanes where stage = 'a'));
select test.is('nothing more', 0, (select count(*) from test.claim(2, 10)));
select test.clean();
select test.settle(1, 0, '{[1,2)}', 2, hop => 1);
select test.is('one left: one is ready', 'x 2', test.parked());
select test.is('and runs', 1, (select n from test.claim(2, 10)));
select test.is('so two do', 2, test.running('x'));
select test.clean();

-- whatever ends it: a retry, a void, a part of a lease
select test.settle(2, 1, test.held(2), attempt => 1, delay_ms => 3600000);
select test.is('a retry leaves the stage', 'x 1', test.parked());
select test.is('the next', 1, (select n from test.claim(3, 10)));
select penstock.void_lease(test.token(3));
select test.is('a voided one is ready', 'x 1', test.parked());
select test.is('and comes first', 1, (select n from test.claim(4, 10)));
select test.settle(4, 2, test.held(4));
select test.settle(1, 2, test.held(1));
select test.is('all went on', '', test.parked());
select test.is('the last', 1, (select n from test.claim(5, 10)));
select test.settle(5, 2, test.held(5));
select test.clean();

-- a job without the attribute has no limit; one whose attributes are no text neither
select test.put('p', 5);
select penstock.enqueue_many('p', array['{"of": null}', '{"of": "a\u0000b"}', '{"of": "x"}']::json[]);
select test.is('all of them', 8, (select n from test.claim(6, 10)));
select test.is('one has a key', 1, (select cardinality(job_keys) from penstock.lease));
select test.settle(6, 2, test.held(6));
select test.clean();

-- values that are no strings, and long ones
select penstock.enqueue_many('p', array['{"of": 7}', '{"of": 7}', '{"of": "7"}', '{"of": {"a": 1}}']::json[]);
select penstock.enqueue_many('p', array_fill(json_build_object('of', repeat('long', 5000)), array[3]));
select test.is('the text counts', 3, (select n from test.claim(7, 4)));
select test.is('', '7 1', test.parked());
select test.is('long ones are one key', 2, (select n from test.claim(8, 4)));
select test.is('that is short', 36, (select max(length(key)) from penstock.parked));
select test.settle(7, 2, test.held(7));
select test.settle(8, 2, test.held(8));
select test.is('none is left behind', 2, (select n from test.claim(9, 10)));
select test.settle(9, 2, test.held(9));
select test.clean();

-- a full key in front does not hide the others, and is looked at once
select test.put_keyed('x', 'x');
select test.is('full', 2, (select n from test.claim(10, 10)));
select cardinality(penstock.enqueue_many('p', array_fill('{"of": "x"}'::json, array[9000])));
select test.put_keyed('y');
select test.is('y runs', 1, (select n from test.claim(11, 1)));
select test.is('behind all of x', 'x 9000', test.parked());
select test.is('in few sets', 'true', (select (count(*) < 20)::text from penstock.parked));
select test.clean();

-- cancel takes them out of the middle; what is in front of the stage counts for back-pressure
select test.is('cancelled', 2, (select cancelled from penstock.cancel(array[(select lower(jobs) + 5 from penstock.parked order by id limit 1), (select lower(jobs) from penstock.parked order by id limit 1)])));
select test.is('those', 'x 8998', test.parked());
select test.clean();
update penstock.lane set max_ready = 8000 where id = 1;
select penstock.mark_full();
select test.is('full', 'true', (select (full_since is not null)::text from penstock.lane where id = 1));
update penstock.lane set max_ready = null, full_since = null where id = 1;

-- a crash: the lost come back, and hold their key only while they run
select test.settle(11, 2, test.held(11));
delete from penstock.host;
select penstock.void_lost_leases();
select test.is('none runs', 0, test.running('x'));
select test.is('host', 2, penstock.host_register(gen_random_uuid(), 'two', 'machine', 1, '0', 0));
select test.is('the lost ones', 1, (select n from test.claim(12, 10, host => 2)));
select test.is('one by one', 1, (select n from test.claim(13, 10, host => 2)));
select test.is('no third', 0, (select count(*) from test.claim(14, 10, host => 2)));
insert into penstock.failure (job, lane, attempt, code, message, release) select lower(test.held(12)), 1, 1, 'X', '', '';
select test.settle(12, 5, test.held(12));
select test.is('a dead letter leaves room', 1, (select n from test.claim(15, 10, host => 2)));
select penstock.replay(array[(select lower(jobs) from penstock.dead)]);
select test.is('a replayed one finds none', 0, (select count(*) from test.claim(16, 10, host => 2)));
select test.clean();

-- a key whose last ready job was cancelled is found
select test.settle(13, 2, test.held(13));
select test.settle(15, 2, test.held(15));
select penstock.cancel(array(select g from penstock.parcel p, unnest(p.jobs) r, generate_series(lower(r), upper(r) - 1) g));
select test.is('nothing is ready', 0, (select count(*) from test.claim(17, 10, host => 2)));
select test.is('two are given room', 2, penstock.free_keys(100));
select test.is('and run', 2, (select n from test.claim(17, 10, host => 2)));
select test.is('no more then', 0, penstock.free_keys(100));

-- paused, the limit raised, the limit gone
select penstock.pause('p', 'a');
update penstock.lane set max_per_key = 5 where id = 1;
select test.is('not while it is paused', 0, penstock.free_keys(100));
select penstock.resume('p', 'a');
select test.is('three more', 3, penstock.free_keys(100));
select test.is('run', 3, (select n from test.claim(18, 10, host => 2)));
select test.clean();
select penstock.register_pipeline('p', '{a,b}', '{3,3}');
select test.is('all are free', 'true', (select (penstock.free_keys(100) > 8900)::text));
select test.is('no job is parked', '', test.parked());
select test.is('no limit', 4000, (select n from test.claim(19, 4000, host => 2)));
select test.clean();

-- children and ordering keys
select penstock.register_pipeline('p', '{a,b}', '{3,3}', p_limit_key => '{of,of}', p_max_per_key => '{2,1}');
select test.settle(t, 2, test.held(t)) from unnest('{17,18,19}'::int[]) t;
select penstock.cancel(array(select g from penstock.parcel p, unnest(p.jobs) r, generate_series(lower(r), upper(r) - 1) g));
select penstock.enqueue('p', '{"of": "z"}');
select test.is('a parent', 1, (select n from test.claim(20, 1, host => 2)));
select test.split(20, 6, 3, 2);
select test.is('its children have one key', 1, (select n from test.claim(21, 10, 2, host => 2)));
select test.settle(21, 2, test.held(21), 2);
select test.is('one after the other', 1, (select n from test.claim(21, 10, 2, host => 2)));
select test.settle(21, 2, test.held(21), 2);
select test.is('', 1, (select n from test.claim(21, 10, 2, host => 2)));
select test.settle(21, 2, test.held(21), 2);
select test.is('the parent has', 1, (select n from test.claim(22, 1, 2, host => 2)));
select penstock.enqueue('p', '{"of": "z"}', ordering_key => 'k');
select penstock.enqueue('p', '{"of": "z"}', ordering_key => 'k');
select test.is('a turn, and one that waits for it', 2, penstock.give_turns(10));
select test.is('runs', 1, (select n from test.claim(23, 10, host => 2)));
select test.settle(23, 0, test.held(23), 2, hop => 1);
select test.is('its key is full in the next stage', 0, (select count(*) from test.claim(24, 10, 2, host => 2)));
select test.is('so it waits, and keeps its turn', 'z 1', test.parked());
select test.is('no other turn', 0, penstock.give_turns(10));
select test.clean();
select test.settle(22, 2, test.held(22), 2);
select test.is('then it runs', 1, (select n from test.claim(24, 10, 2, host => 2)));
select test.settle(24, 2, test.held(24), 2);
select test.is('and the next has its turn', 1, (select n from test.claim(25, 10, host => 2)));
select test.settle(25, 2, test.held(25));
select test.clean();

-- with a rate: what is parked takes no token
select penstock.register_pipeline('r', '{a}', '{3}', p_rate => '{0.0003}', p_burst => '{10}', p_limit_key => '{of}', p_max_per_key => '{1}');
select penstock.enqueue_many('r', array_fill('{"of": "x"}'::json, array[5]));
select test.is('one', 1, (select n from test.claim(30, 10, (select id from penstock.lane where rate is not null), host => 2)));
select test.is('one token', 'true', (select (tokens between 8.9 and 9.5)::text from penstock.bucket));
select test.clean();

-- far from the limit claims count, and compare no keys; near it the keys of those that run are read from their messages
select penstock.register_pipeline('far', '{a}', '{3}', p_limit_key => '{of}', p_max_per_key => '{64}');
select id as far from penstock.lane where max_per_key = 64 \gset
select penstock.enqueue_many('far', array_fill('{"of": "x"}'::json, array[100]));
select test.is('nine times four', 36, (select sum(c.n) from generate_series(40, 48) t, lateral test.claim(t, 4, :far, host => 2) c));
select test.is('without their keys', '4 0', (select concat_ws(' ', max(key_most), count(job_keys)) from penstock.lease where lane = :far));
select test.is('who can be counted nevertheless', 36, (select n from penstock.running_keys(:far) where key = 'x'));
select test.clean();
select test.is('the others', 28, (select n from test.claim(49, 100, :far, host => 2)));
select test.is('wait', 'x 36', (select string_agg(key || ' ' || n, ', ') from (select key, sum(n) as n from penstock.parked where lane = :far group by key) s));
select test.is('so many run', 64, (select n from penstock.running_keys(:far) where key = 'x'));
select test.clean();
select test.settle(40, 2, int8multirange(int8range(lower(test.held(40)), lower(test.held(40)) + 3)), :far);
select test.is('three ended: three are ready', 33, (select sum(n) from penstock.parked where lane = :far));
select test.is('and run', 3, (select n from test.claim(50, 100, :far, host => 2)));
select penstock.void_lease(test.token(41));
select test.is('a voided lease makes room for itself', 4, (select n from test.claim(51, 100, :far, host => 2)));
select test.settle(t, 2, test.held(t), :far) from generate_series(40, 51) t where t <> 41;
select test.is('all can run then', 33, (select sum(c.n) from generate_series(52, 60) t, lateral test.claim(t, 4, :far, host => 2) c));
select test.settle(t, 2, test.held(t), :far) from generate_series(52, 60) t;
select test.is('none is left', 0, (select ready + waiting + running from penstock.lanes where lane = :far));
select penstock.enqueue_many('far', array(select json_build_object('of', n % 4) from generate_series(1, 12) n));
select penstock.enqueue_many('far', array['{"of": "a\u0000b"}', '{"of": "x"}']::json[]);
select penstock.enqueue_many('far', array_fill('{}'::json, array[6]));
select test.is('more than four, of several keys', 12, (select n from test.claim(61, 12, :far, host => 2)));
select test.is('three of each', '3 12', (select concat_ws(' ', key_most, cardinality(job_keys)) from penstock.lease where token = test.token(61)));
select test.is('what cannot be read is compared one by one', 8, (select n from test.claim(62, 12, :far, host => 2)));
select test.is('and counts for nothing', '1 1', (select concat_ws(' ', key_most, cardinality(job_keys)) from penstock.lease where token = test.token(62)));
select test.settle(t, 2, test.held(t), :far) from generate_series(61, 62) t;
select test.clean();

-- a host that counts promises to begin no more of a key than it says: no key is read
create function test.number(t int) returns text
language sql as $$ select concat_ws(' ', key_most, coalesce(cardinality(job_keys), 0)) from penstock.lease where token = test.token(t) $$;
select penstock.enqueue_many('far', array(select json_build_object('of', n % 10) from generate_series(1, 140) n));
select test.is('of thirty jobs it may begin four of a key', '30 4', test.counted(70, 30, :far, 4, host => 2));
select test.is('and holds four of each, whatever it has', '4 0', test.number(70));
select test.is('four jobs have no more', '4 any', test.counted(71, 4, :far, 4, host => 2));
select test.is('what it promises may be less', '10 3', test.counted(72, 10, :far, 3, host => 2));
select test.is('but not more than a claim beside others may take: then keys are compared', '30 any', test.counted(73, 30, :far, 5, host => 2));
select test.is('three of each', '3 30', test.number(73));
select test.clean();
select penstock.void_lease(test.token(70));
select test.is('given back they make room; near the limit keys are compared', '10 4,10 4,10 4,10 4,10 4,10 4,10 any', (select string_agg(test.counted(t, 10, :far, 4, host => 2), ',' order by t) from generate_series(74, 80) t));
select test.clean();
select test.settle(t, 2, test.held(t), :far) from generate_series(71, 80) t;
select penstock.cancel(array(select g from penstock.parcel p, unnest(p.jobs) r, generate_series(lower(r), upper(r) - 1) g where p.lane = :far));

-- until it has counted, a lease may have more of a key than the limit: it does not run
select penstock.enqueue_many('far', array_fill('{"of": "x"}'::json, array[200]));
select test.is('all of one key', '100 4', test.counted(81, 100, :far, 4, host => 2));
select test.clean();
begin; update penstock.lease set key_most = 65; select test.broken('no key runs more jobs at once than its stage lets it'); rollback;
select penstock.void_lease(test.token(81));
select test.is('compared', '64 any', test.counted(82, 100, :far, null, host => 2));
select test.is('with the lane to itself', '64 64', test.number(82));
select test.is('beside it none of this key', '', test.counted(83, 100, :far, 4, host => 2));
select test.settle(82, 2, test.held(82), :far);
select test.is('where jobs are parked keys are compared', '64 any', test.counted(83, 100, :far, 4, host => 2));
select test.clean();
select test.settle(83, 2, test.held(83), :far);
update penstock.lane set limit_key = null, max_per_key = null where id = :far;
select penstock.free_keys(100);
select test.is('a limit that is gone needs no count', '72 any', test.counted(84, 100, :far, 4, host => 2));
select test.settle(84, 2, test.held(84), :far);
select penstock.pause('far', 'a');
select penstock.enqueue('far');
select test.is('nothing while it is paused', '', test.counted(85, 1, :far, 4, host => 2));
select test.clean();
