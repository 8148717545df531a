-- SPDX-License-Identifier: BSD-2-Clause
-- The end of a lease, whole, in parts, and too late.
select test.world();
select test.put('p', 60);
select count(*) from test.claim(1, 60);

-- parts: each kind to its place
select test.is('completed', 50, test.settle(1, 2, '{[1,11)}'));
select test.is('discarded', 40, test.settle(1, 3, '{[11,21)}'));
select test.is('cancelled', 30, test.settle(1, 4, '{[21,31)}'));
select test.is('on to the next lane', 20, test.settle(1, 0, '{[31,41)}', 2, hop => 1));
select test.is('deferred', 10, test.settle(1, 1, '{[41,51)}', delay_ms => 3600000, attempt => 1));
select test.is('the rest dies, and the lease with it', 0, test.settle(1, 5, '{[51,61)}', attempt => 1));
select test.is('no lease', 0, (select count(*) from penstock.lease));
select test.is('states', 'cancelled 10, completed 10, dead 10, deferred 10, discarded 10, ready 10',
	(select string_agg(state || ' ' || n, ', ' order by state) from (select state, count(*) n from penstock.jobs group by state) x));
select test.is('each state by its id', 'completed discarded cancelled ready deferred dead',
	concat_ws(' ', test.state(1), test.state(11), test.state(21), test.state(31), test.state(41), test.state(51)));
select test.is('ready in the next stage', 'b', (select stage from penstock.job_state(31)));
select test.is('no such job', null, test.state(9999));
insert into penstock.failure (job, lane, attempt, code, message, release) select id, 1, 1, 'TEST', '', '' from generate_series(51, 60) id;
select test.clean();

-- too late: nothing changes
select test.refused('a token that is gone', $$ select test.settle(1, 2, '{[1,11)}') $$, 'PS001');
select test.put('p', 10);
select count(*) from test.claim(2, 10);
select test.refused('jobs of another', $$ select test.settle(2, 2, '{[1,11)}') $$, 'PS001');
select test.refused('more than it holds', $$ select test.settle(2, 2, test.held(2) + '{[1,2)}') $$, 'PS001');
select test.is('void gives back', 10, penstock.void_lease(test.token(2)));
select test.is('with the attempt as before', 0, (select attempt from penstock.parcel where lane = 1));
select test.refused('what was voided is not settled', $$ select test.settle(2, 2, '{[61,71)}') $$, 'PS001');
select test.is('voiding again gives nothing', 0, penstock.void_lease(test.token(2)));
select test.clean();

-- malformed sets are refused
select count(*) from test.claim(3, 10);
select test.refused('empty', $$ select test.settle(3, 2, '{}') $$, 'PS002');
select test.refused('overlapping', $$ select penstock.settle(test.token(3), array[2, 3]::smallint[], array[1, 1], array[0, 0]::bigint[], array[0, 0]::smallint[],
	array[0, 0]::smallint[], array[0, 0]::smallint[], array[0, 0]::smallint[], array[0, 0]::bigint[], array['{[61,66)}', '{[65,71)}']::int8multirange[],
	'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}') $$, 'PS002', 'overlapping');
select test.refused('an output of a stranger', $$ select penstock.settle(test.token(3), array[2]::smallint[], array[1], array[0]::bigint[], array[1]::smallint[],
	array[0]::smallint[], array[0]::smallint[], array[0]::smallint[], array[0]::bigint[], array[test.held(3)],
	array[1]::bigint[], array[1]::smallint[], array['{}']::json[], array[null]::bytea[], '{}', '{}', '{}', '{}', '{}', '{}') $$, 'PS002', 'output');
select test.is('it still holds them', 10, (select n from penstock.lease));

-- outputs and failures come with it, and the next claim reads the output
select test.is('settled', 0, penstock.settle(test.token(3), array[0, 1]::smallint[], array[2, 1], array[0, 0]::bigint[], array[1, 0]::smallint[],
	array[1, 0]::smallint[], array[0, 1]::smallint[], array[0, 0]::smallint[], array[10, 10]::bigint[], array['{[61,66)}', '{[66,71)}']::int8multirange[],
	array[61, 62, 63, 64, 65]::bigint[], array[1, 1, 1, 1, 1]::smallint[], array['{"o": 61}', '{"o": 62}', '{"o": 63}', '{"o": 64}', '{"o": 65}']::json[],
	array['x', null, null, null, null]::bytea[],
	array[66]::bigint[], array[1], array[1]::smallint[], array['BUSY'], array['come back'], array['r1']));
select test.is('outputs', 5, (select count(*) from penstock.output where hop = 1));
select test.is('failure', 'a 1 BUSY come back r1', (select l.stage || ' ' || f.attempt || ' ' || f.code || ' ' || f.message || ' ' || f.release
	from penstock.failure f join penstock.lane l on l.id = f.lane where f.job = 66));
select test.is('what came before goes before', 10, (select n from test.claim(6, 100, 2)));
select test.is('input hop', 1, (select input_hop from test.claim(4, 5, 2) where jobs = '{[61,66)}'));
select test.clean();

-- a settlement over two blocks of ids is cut between them
select setval('penstock.job_id', (1 << 24) - 6);
select test.put('q', 10);
select count(*) from test.claim(5, 10, 3);
select test.settle(5, 2, test.held(5), 3);
select test.is('a row for each block', '0 5, 1 5', (select string_agg(block || ' ' || n, ', ' order by block) from penstock.settled where lane = 3));
select test.is('found in the second block', 'completed', test.state((1 << 24) + 1));
select test.clean();
