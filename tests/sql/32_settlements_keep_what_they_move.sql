-- SPDX-License-Identifier: BSD-2-Clause
-- What a settlement writes: sets with gaps, blocks of ids, bytes, priority, and the bell of the next lane.
select test.world();

-- a set with many gaps is one row of its block
select test.put('p', 20);
select count(*) from test.claim(1, 20);
select test.is('every second one', 10, test.settle(1, 2, (select range_agg(int8range(g, g + 1)) from generate_series(1, 20, 2) g)));
select test.is('is one row of ten', '10', (select string_agg(n::text, ' ') from penstock.settled));
select test.is('the others are running', 'running', test.state(2));
select test.is('in the lease of the host', 1, (select host from penstock.job_state(2)));
select test.clean();

-- the last id of a block belongs to it, and nothing to the next one
select setval('penstock.job_id', (1 << 24) - 6);
select test.put('q', 5);
select test.is('up to the end of the block', (1 << 24) - 1, (select upper(jobs) - 1 from test.claim(2, 5, 3)));
select test.settle(2, 2, test.held(2), 3);
select test.is('one row', '0:5', (select string_agg(block || ':' || n, ' ') from penstock.settled where lane = 3));
select test.put('q', 5);
select count(*) from test.claim(3, 5, 3);
select test.settle(3, 4, test.held(3), 3);
select test.is('the first id of the next one', '1:5', (select string_agg(block || ':' || n, ' ') from penstock.settled where lane = 3 and outcome = 4));
select test.clean();

-- what a part takes of the bytes is gone from the lease; priority goes along, and each set has its own columns
select penstock.enqueue_many('p', array(select json_build_object('x', repeat('y', 92)) from generate_series(1, 10)), priority => 5) as ids \gset
select test.is('a thousand bytes', 1000, (select bytes from test.claim(4, 10)) - 20);
select clock_timestamp() as before \gset
select test.is('four go', 6, penstock.settle(test.token(4), '{0,1,5}', '{2,1,1}', '{0,60000,0}', '{1,0,2}', '{0,0,0}', '{0,1,2}', '{1,2,0}', '{10,20,30}',
	(select array[int8multirange(int8range(i, i + 2)), int8multirange(int8range(i + 2, i + 3)), int8multirange(int8range(i + 3, i + 4))] from (select (:'ids'::bigint[])[1] as i) x),
	'{}', '{}', '{}', '{}', array[(:'ids'::bigint[])[4]], '{1}', '{2}', '{TEST}', '{why}', '{r}'));
select test.is('bytes of the rest', '6 612', (select n || ' ' || bytes from penstock.lease where token = test.token(4)));
select test.is('ready: lane, priority, attempt, hop, hold, n, bytes', '2 5 0 1 1 2 10',
	(select concat_ws(' ', lane, priority, attempt, hop, hold, n, bytes) from penstock.parcel where lane = 2));
select test.is('deferred', '1 5 1 0 2 1 20', (select concat_ws(' ', lane, priority, attempt, hop, hold, n, bytes) from penstock.deferred));
select test.is('for a minute', true::text, (select run_at between :'before'::timestamptz + interval '1 min' and clock_timestamp() + interval '1 min' from penstock.deferred)::text);
select test.is('dead', '1 5 2 2 1 30', (select concat_ws(' ', lane, priority, attempt, hop, n, bytes) from penstock.dead));
select test.is('void gives back the rest only', 6, penstock.void_lease(test.token(4)));
select test.is('with its priority and what it had', '1 5 0 0 0 6 612', (select concat_ws(' ', lane, priority, attempt, hop, hold, n, bytes) from penstock.parcel where lane = 1 and n = 6));
select test.clean();

-- a settlement that fails late leaves nothing of itself
select count(*) from test.claim(5, 6);
select test.refused('an output that is there already', $$ select penstock.settle(test.token(5), '{2}', '{1}', '{0}', '{1}', '{0}', '{0}', '{0}', '{0}', array[test.held(5)],
	(select array[i, i] from (select lower(test.held(5)) as i) x), '{1,1}', '{"{}","{}"}', '{null,null}', '{}', '{}', '{}', '{}', '{}', '{}') $$, '23505');
select test.is('the lease is there', 6, (select n from penstock.lease where token = test.token(5)));
select test.is('no output', 0, (select count(*) from penstock.output));
select test.refused('outputs are objects of a job', $$ select penstock.settle(test.token(5), '{2}', '{1}', '{0}', '{1}', '{0}', '{0}', '{0}', '{0}', array[test.held(5)],
	array[null]::bigint[], '{1}', '{"{}"}', '{null}', '{}', '{}', '{}', '{}', '{}', '{}') $$, 'PS002', 'output');
select test.clean();
