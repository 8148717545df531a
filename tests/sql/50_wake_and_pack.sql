-- SPDX-License-Identifier: BSD-2-Clause
-- Due jobs become ready; many small parcels become few.
select test.world();

-- wake
select penstock.enqueue('p', run_at => now() + interval '1 hour') as later \gset
select test.is('nothing is due', 0, (select jobs from penstock.wake(100)));
select test.is('the next one is known', true::text, (select (next_ms between 3500000 and 3600000)::text from penstock.wake(100)));
update penstock.deferred set run_at = now() - interval '1 s';
select test.is('one is due', 1, (select jobs from penstock.wake(100)));
select test.is('none is known to come', null, (select next_ms::text from penstock.wake(100)));
select test.is('it is ready', 'ready', test.state(:later));
select penstock.enqueue('p', run_at => now() + interval '1 hour') from generate_series(1, 500);
update penstock.deferred set run_at = now();
select test.is('at most as many sets as asked', 100, (select jobs from penstock.wake(100)));
select test.is('the rest', 400, (select jobs from penstock.wake(1000)));
select test.is('in few parcels', 3, (select count(*) from penstock.parcel where n > 1));
select test.clean();
-- what is isolated stays alone, what differs stays apart
select count(*) from test.claim(1, 1000);
select test.settle(1, 1, '{[2,4)}', hold => 2, attempt => 1);
select test.settle(1, 1, '{[4,6)}', hold => 2, attempt => 1);
select test.settle(1, 1, '{[6,8)}', attempt => 1);
select test.settle(1, 1, '{[8,10)}', attempt => 2);
select pg_sleep(0.002);
select test.is('eight', 8, (select jobs from penstock.wake(100)));
select test.is('four sets', 4, (select count(*) from penstock.parcel where n = 2));
select test.clean();

-- pack: behind the head of the lane
select penstock.register_pipeline('s', '{only}', '{3}'), penstock.register_pipeline('t', '{only}', '{3}');
select penstock.enqueue('q') from generate_series(1, 3000);
select test.is('3 000 singles', 3000, (select count(*) from penstock.parcel where lane = 3));
-- a deep lane is estimated: counted up to so many parcels, and from there at so many places
create function about(most int, places int) returns text language sql as
$$ select case when estimated then 'about ' else '' end || jobs || ' in ' || parcels from penstock.ready_about(3, most, places) $$;
select test.is('counted', '3000 in 3000', about(3001, 10));
select test.is('places that see all are exact', '3000 in 3000', about(100, 100));
select test.is('a lane of which no place sees all', true::text,
	(select (estimated and jobs between 2900 and 3100 and parcels between 2900 and 3100 and bytes between 5800 and 6200)::text from penstock.ready_about(3, 100, 10)));
select penstock.enqueue('q', priority => 7) from generate_series(1, 5);
select test.is('what is behind all that is counted, too', '3005 in 3005', about(100, 100));
select test.is('even when it begins where the counting ends', '3005 in 3005', about(3000, 10));
select test.is('another lane has none of it', '0 in 0 bytes 0', (select jobs || ' in ' || parcels || ' bytes ' || bytes from penstock.ready_about(2, 1, 1)));
with gone as (delete from penstock.parcel where priority = 7 returning jobs) delete from penstock.job using gone where gone.jobs @> job.id;
select test.is('the 2 000 behind the head become two', 1998, (penstock.pack(3, 5000)).fewer);
select test.is('again there is nothing to do', 0, (select case when (penstock.pack(3, 5000)).fewer <= 0 then 0 else 1 end));
select test.is('few are left to count', '3000 in 1002', about(1100, 1));
select test.is('none is lost', 3000, (select sum(n) from penstock.parcel where lane = 3));
-- whose ids do not follow one another: few to a parcel, whose set would be long
select penstock.enqueue(case g % 2 when 0 then 's' else 't' end) from generate_series(1, 4400) g;
select id as sparse from penstock.lane where pipeline = (select id from penstock.pipeline where name = 's') \gset
select test.is('the 1 200 behind the head become six', 1194, (penstock.pack(:sparse, 5000)).fewer);
select test.is('of 200 each', 200, (select max(n) from penstock.parcel where lane = :sparse));
select test.is('a lane that is short stays as it is', 0, (penstock.pack(2, 5000)).fewer);
select test.clean();
select test.is('and all are claimed', 3000, (select n from test.claim(2, 4000, 3, most => 5000)));
select test.clean();

-- blocks are made ahead, and once
select test.is('made before', 0, penstock.make_blocks());
select setval('penstock.job_id', (3 << 24));
select test.is('three more', 3, penstock.make_blocks());
select test.is('room', true::text, (to_regclass('penstock.job_7') is not null)::text);
select test.clean();
