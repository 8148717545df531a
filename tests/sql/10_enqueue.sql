-- SPDX-License-Identifier: BSD-2-Clause
-- What applications call, with good and with bad arguments.
select test.world();

-- a job that is enqueued and rolled back does not exist
begin;
select penstock.enqueue('p');
rollback;
select test.is('rolled back', 0, (select count(*) from penstock.job));
select test.is('nor a parcel', 0, (select count(*) from penstock.parcel));

-- one that commits is ready, with what it was given
select penstock.enqueue('p', '{"a": 1}', '\x00ff', -5, null, '00-trace') as id \gset
select test.is('state', 'ready', test.state(:id));
select test.is('message', '{"a": 1} \x00ff 00-trace', (select attributes || ' ' || body::text || ' ' || traceparent from penstock.job where id = :id));
select test.is('priority', -5, (select priority from penstock.parcel));
select test.is('bytes', 10, (select bytes from penstock.parcel));

-- for later
select penstock.enqueue('p', run_at => now() + interval '1 hour') as id \gset
select test.is('deferred', 'deferred', test.state(:id));
select penstock.enqueue('p', run_at => now() - interval '1 hour') as id \gset
select test.is('the past is now', 'ready', test.state(:id));

-- many: ids in the order of the array, a parcel for each thousand
select penstock.enqueue_many('q', array(select json_build_object('n', n) from generate_series(1, 2500) n)) as ids \gset
select test.is('ids in order', 2500, (select count(*) from unnest(:'ids'::bigint[]) with ordinality u(id, o) join penstock.job j using (id) where (j.attributes->>'n')::int = o));
select test.is('parcels', '1000 1000 500', (select string_agg(n::text, ' ' order by id) from penstock.parcel where lane = 3));
select test.is('none is fine', '{}', penstock.enqueue_many('q', '{}')::text);
select test.is('null is none', '{}', penstock.enqueue_many('q', null)::text);

-- bad arguments change nothing
select test.refused('unknown pipeline', $$ select penstock.enqueue('nowhere') $$, 'PS003', 'nowhere');
select test.refused('null pipeline', $$ select penstock.enqueue(null) $$, 'PS003');
select test.refused('no object', $$ select penstock.enqueue('p', '[1]') $$, 'PS004', 'object');
select test.refused('a number', $$ select penstock.enqueue('p', '1') $$, 'PS004', 'object');
select test.refused('null attributes', $$ select penstock.enqueue('p', null) $$, 'PS004', 'object');
select test.refused('no JSON', $$ select penstock.enqueue('p', '{') $$, '22P02');
select test.refused('priority', $$ select penstock.enqueue('p', priority => 40000) $$, 'PS004', 'priority');
select test.refused('null priority', $$ select penstock.enqueue('p', priority => null) $$, 'PS004', 'priority');
select test.refused('infinity', $$ select penstock.enqueue('p', run_at => 'infinity') $$, 'PS004', 'finite');
select test.refused('large attributes', $$ select penstock.enqueue('p', json_build_object('a', repeat('x', 1048577))) $$, 'PS004', 'too large');
select test.refused('large body', $$ select penstock.enqueue('p', '{}', convert_to(repeat('x', 67108865), 'UTF8')) $$, 'PS004', 'too large');
select test.refused('arrays of different length', $$ select penstock.enqueue_many('p', array['{}', '{}']::json[], array['a']::bytea[]) $$, 'PS004', 'bodies');
select test.refused('one bad of many', $$ select penstock.enqueue_many('p', array['{}', '[]']::json[]) $$, 'PS004', 'object');
select test.is('jobs', 2503, (select count(*) from penstock.job));

-- the bulk road's ids are those that nobody else draws, also when somebody drew in between
select test.is('reserved', 10, penstock.cardinality(penstock.reserve_ids(10)));
select test.is('disjoint', true::text, (select bool_and(not a && b)::text from (select penstock.reserve_ids(100) as a, penstock.reserve_ids(100) as b) x));

select test.clean();
