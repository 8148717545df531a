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
select penstock.enqueue('q') from generate_series(1, 3000);
select test.is('3 000 singles', 3000, (select count(*) from penstock.parcel where lane = 3));
select test.is('the 2 000 behind the head become ten', 1990, (penstock.pack(3, 5000)).fewer);
select test.is('again there is nothing to do', 0, (select case when (penstock.pack(3, 5000)).fewer <= 0 then 0 else 1 end));
select test.is('none is lost', 3000, (select sum(n) from penstock.parcel where lane = 3));
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
