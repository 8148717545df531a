-- SPDX-License-Identifier: BSD-2-Clause
-- What SQL may be given by mistake: a row says the statement, the SQLSTATE and words of the answer. None of them changes a table.
select test.world();
select test.put('p', 2);

create table test.bad (what text primary key, statement text not null, state text not null, words text not null);
insert into test.bad values
	('an unknown pipeline', $$ select penstock.enqueue('nowhere') $$, 'PS003', 'there is no pipeline ''nowhere'''),
	('no pipeline', $$ select penstock.enqueue(null) $$, 'PS003', 'there is no pipeline ''null'''),
	('an unknown pipeline for many', $$ select penstock.enqueue_many('nowhere', array['{}']::json[]) $$, 'PS003', 'there is no pipeline ''nowhere'''),
	('a pipeline to pause', $$ select penstock.pause('nowhere') $$, 'PS003', 'nowhere'),
	('a stage to pause', $$ select penstock.pause('p', 'nowhere') $$, 'PS003', 'nowhere'),
	('an array', $$ select penstock.enqueue('p', '[1]') $$, 'PS004', 'attributes must be a JSON object, not array'),
	('a text', $$ select penstock.enqueue('p', '"x"') $$, 'PS004', 'attributes must be a JSON object, not string'),
	('JSON null', $$ select penstock.enqueue('p', 'null') $$, 'PS004', 'attributes must be a JSON object, not null'),
	('no attributes', $$ select penstock.enqueue('p', null) $$, 'PS004', 'attributes must be a JSON object, not null'),
	('no attributes among many', $$ select penstock.enqueue_many('p', array['{}', null]::json[]) $$, 'PS004', 'attributes must be a JSON object, not null'),
	('no JSON', $$ select penstock.enqueue('p', '{') $$, '22P02', 'invalid input syntax for type json'),
	('invalid UTF-8', $$ select penstock.enqueue('p', convert_from('\x7b2261223a22ff227d', 'UTF8')::json) $$, '22021', 'invalid byte sequence'),
	('a NUL byte', $$ select penstock.enqueue('p', convert_from('\x7b2261223a2200227d', 'UTF8')::json) $$, '22021', 'invalid byte sequence'),
	('attributes too large', $$ select penstock.enqueue('p', json_build_object('a', repeat('x', 1048577))) $$, 'PS004', 'attributes are too large'),
	('a body too large', $$ select penstock.enqueue('p', '{}', convert_to(repeat('x', 67108865), 'UTF8')) $$, 'PS004', 'the body is too large'),
	('bodies of another number', $$ select penstock.enqueue_many('p', array['{}', '{}']::json[], array['a']::bytea[]) $$, 'PS004', 'bodies has 1 elements, attributes has 2'),
	('keys of another number', $$ select penstock.enqueue_many('p', array['{}']::json[], keys => array['a', 'b']) $$, 'PS004', 'keys has 2 elements, attributes has 1'),
	('ordering keys of another number', $$ select penstock.enqueue_many('p', array['{}']::json[], ordering_keys => array['a', 'b']) $$, 'PS004', 'ordering_keys has 2 elements, attributes has 1'),
	('a priority beyond 16 bits', $$ select penstock.enqueue('p', priority => 32768) $$, 'PS004', 'priority must be -32768 to 32767, not 32768'),
	('no priority', $$ select penstock.enqueue('p', priority => null) $$, 'PS004', 'priority must be -32768 to 32767, not null'),
	('an infinite time', $$ select penstock.enqueue('p', run_at => 'infinity') $$, 'PS004', 'run_at must be a finite time'),
	('a time before all others', $$ select penstock.enqueue('p', run_at => '-infinity') $$, 'PS004', 'run_at must be a finite time'),
	('an infinite time for many', $$ select penstock.enqueue_many('p', array['{}']::json[], run_at => 'infinity') $$, 'PS004', 'run_at must be a finite time'),
	('a time beyond all', $$ select penstock.enqueue('p', run_at => '300000-01-01') $$, '22008', 'out of range'),
	('a key too long', $$ select penstock.enqueue('p', key => repeat('k', 256)) $$, 'PS004', 'a key has 1 to 255 characters, not 256'),
	('an empty key', $$ select penstock.enqueue('p', key => '') $$, 'PS004', 'a key has 1 to 255 characters, not 0'),
	('a long key among many', $$ select penstock.enqueue_many('p', array['{}', '{}']::json[], keys => array['k', repeat('k', 256)]) $$, 'PS004', 'a key has 1 to 255 characters, not 256'),
	('a key for no time', $$ select penstock.enqueue('p', key => 'k', key_life => '0') $$, 'PS004', 'key_life must be positive, not 00:00:00'),
	('a key for less', $$ select penstock.enqueue('p', key => 'k', key_life => '-1 day') $$, 'PS004', 'key_life must be positive, not -1 days'),
	('a key for an unknown time', $$ select penstock.enqueue('p', key => 'k', key_life => null) $$, 'PS004', 'key_life must be positive, not null'),
	('an ordering key too long', $$ select penstock.enqueue('p', ordering_key => repeat('k', 256)) $$, 'PS004', 'an ordering key has 1 to 255 characters'),
	('an empty ordering key', $$ select penstock.enqueue('p', ordering_key => '') $$, 'PS004', 'an ordering key has 1 to 255 characters'),
	('an ordering key for later', $$ select penstock.enqueue('p', ordering_key => 'k', run_at => now() + interval '1 day') $$, 'PS004', 'run_at and ordering_key exclude each other'),
	('a schedule of nothing', $$ select penstock.schedule('s', 'p', '') $$, 'PS004', ''),
	('a schedule of another pipeline', $$ select penstock.schedule('s', 'nowhere', '* * * * *') $$, 'PS003', 'nowhere');

create table test.before as select c.relname, s.n from pg_class c, lateral (
	select (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from penstock.%I', c.relname), false, true, '')))[1]::text::bigint as n) s
	where c.relnamespace = 'penstock'::regnamespace and c.relkind in ('r', 'p');
select test.refused(what, statement, state, words) from test.bad;
select test.is('a table that a refusal changed', '', (select coalesce(string_agg(b.relname, ' '), '') from test.before b
	where b.n <> (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from penstock.%I', b.relname), false, true, '')))[1]::text::bigint));

-- the same from roles that have not the right: no word of what is there
create role test_nobody;
grant usage on schema test to test_nobody;
grant execute on all functions in schema test to test_nobody;
set role test_nobody;
select test.refused(what, statement, '42501', 'permission denied') from (values
	('to enqueue', $$ select penstock.enqueue('p') $$),
	('to enqueue many', $$ select penstock.enqueue_many('p', array['{}']::json[]) $$),
	('to ask for a state', $$ select penstock.job_state(1) $$),
	('to cancel', $$ select penstock.cancel(array[1]::bigint[]) $$),
	('to pause', $$ select penstock.pause('p') $$),
	('to verify', $$ select penstock.verify() $$),
	('to claim', $$ select penstock.claim_take(test.token(1), 1, 1, 1, 1, 1, '{0}', '{0}') $$),
	('to void', $$ select penstock.void_lease(test.token(1)) $$),
	('to read jobs', $$ select * from penstock.jobs $$),
	('to read messages', $$ select * from penstock.job $$),
	('to read lanes', $$ select * from penstock.lanes $$),
	('to write', $$ delete from penstock.parcel $$)) as v(what, statement);
reset role;
drop owned by test_nobody;
drop role test_nobody;

-- the past is now, and what is at the edge passes
select test.is('the past', 'ready', test.state(penstock.enqueue('p', run_at => '1970-01-01')));
select test.is('the longest key', 'ready', test.state(penstock.enqueue('p', key => repeat('k', 255))));
select test.is('the lowest priority', 'ready', test.state(penstock.enqueue('p', priority => 32767)));
select test.clean();
