-- SPDX-License-Identifier: BSD-2-Clause
-- Idempotency keys: the second enqueue answers the first one's job.
select test.world();

select penstock.enqueue('p', '{"n": 1}', key => 'k') as first \gset
select test.is('the same key answers the same job', :first, penstock.enqueue('p', '{"n": 2}', key => 'k'));
select test.is('and enqueues nothing', 1, (select count(*) from penstock.job));
select test.is('another key is another job', 'true', (penstock.enqueue('p', key => 'l') <> :first)::text);
select test.is('another pipeline has keys of its own', 'true', (penstock.enqueue('q', key => 'k') <> :first)::text);
select test.is('without a key nothing is looked for', 'true', (penstock.enqueue('p') <> penstock.enqueue('p'))::text);

-- also when the job has ended
select count(*) from test.claim(1, 100);
select test.settle(1, 2, test.held(1));
select test.is('the job of a key may have ended', :first, penstock.enqueue('p', key => 'k'));
select test.is('nothing is ready', 0, (select count(*) from penstock.parcel where lane = 1));

-- rolled back: the key is free
begin;
select penstock.enqueue('p', key => 'gone') as gone \gset
rollback;
select test.is('a key that was rolled back is free', 'true', (penstock.enqueue('p', key => 'gone') <> :gone)::text);

-- expiry
update penstock.key set expires = clock_timestamp() where key = 'k' and pipeline = 1;
select penstock.enqueue('p', key => 'k', key_life => '1 hour') as again \gset
select test.is('an expired key is taken over', 'true', (:again <> :first)::text);
select test.is('with its own life', 'true', (select expires between now() + interval '59 min' and now() + interval '61 min' from penstock.key where key = 'k' and pipeline = 1)::text);
update penstock.key set expires = clock_timestamp();
select test.is('expired keys are forgotten, so many at a time', 2, penstock.forget_keys(2));
select test.is('and the rest', 'true', (penstock.forget_keys(100) > 0)::text);
select test.is('all of them', 0, (select count(*) from penstock.key));

-- many
select penstock.enqueue_many('p', array['{"i": 1}', '{"i": 2}', '{"i": 3}', '{"i": 4}']::json[], keys => array['b', 'a', null, 'b']) as ids \gset
select test.is('a key that stands twice is one job', 'true', ((:'ids'::bigint[])[1] = (:'ids'::bigint[])[4])::text);
select test.is('three jobs are new', 3, (select count(*) from penstock.job where id = any (:'ids'::bigint[])));
select test.is('the first of them wins', '1', (select attributes->>'i' from penstock.job where id = (:'ids'::bigint[])[1]));
select test.is('again: those with keys are found', 1, (select count(*) from unnest(penstock.enqueue_many('p', array['{}', '{}', '{}']::json[],
	keys => array['a', null, 'b'])) id where id <> all (:'ids'::bigint[])));
select test.is('all taken: nothing is made ready', 0, (
	with before as materialized (select count(*) as n from penstock.parcel),
	     more as materialized (select before.n, penstock.enqueue_many('p', array['{}', '{}']::json[], keys => array['a', 'b']) from before)
	select (select count(*) from penstock.parcel) - more.n from more));

-- refused
select test.refused('an empty key', $$ select penstock.enqueue('p', key => '') $$, 'PS004', '1 to 255 characters');
select test.refused('a long key', $$ select penstock.enqueue('p', key => repeat('x', 256)) $$, 'PS004', 'not 256');
select test.refused('no life', $$ select penstock.enqueue('p', key => 'x', key_life => '0') $$, 'PS004', 'must be positive');
select test.refused('keys of another length', $$ select penstock.enqueue_many('p', array['{}']::json[], keys => array['a', 'b']) $$, 'PS004', 'keys has 2');
select test.clean();
