-- SPDX-License-Identifier: BSD-2-Clause
-- What a claim takes, and what it leaves.
select test.world();

-- nothing there
select test.is('an empty lane gives nothing', 0, (select count(*) from test.claim(1, 10)));

-- a parcel is split; what is left is ready still
select test.put('p', 100);
select test.is('ten of a hundred', 10, (select n from test.claim(1, 10)));
select test.is('the lowest ids first', '{[1,11)}', test.held(1)::text);
select test.is('ninety are left', 90, (select sum(n) from penstock.parcel where lane = 1));
select test.is('the attempt is counted', 1, (select attempt from penstock.lease where token = test.token(1)));
select test.clean();

-- small parcels are taken together
select test.put('q', 1) from generate_series(1, 50);
select test.is('forty of fifty singles', 40, (select n from test.claim(2, 40, 3)));
select test.is('and whole: no parcel is split', 10, (select count(*) from penstock.parcel where lane = 3));
select test.is('at most so many parcels are locked', 5, (select n from test.claim(3, 40, 3, most => 5)));
select test.clean();

-- by bytes, at least one job
select penstock.enqueue_many('q', array(select json_build_object('x', repeat('y', 990)) from generate_series(1, 10)), priority => -1) as ids \gset
select test.is('three of a thousand bytes each', 3, (select n from test.claim(4, 100, 3, bytes => 3100)));
select test.is('one, however large it is', 1, (select n from test.claim(5, 100, 3, bytes => 10)));
select test.clean();

-- a lower priority goes first, whenever it came
select test.put('p', 5, 7);
select test.put('p', 5, -7);
select test.is('priority -7', -7, (select priority from test.claim(6, 5)));
select test.is('then 0', 0, (select priority from test.claim(7, 1000)));
select test.is('then 7', 7, (select priority from test.claim(8, 1000)));
select test.is('nothing is left', 0, (select count(*) from penstock.parcel where lane = 1));
select test.clean();

-- what differs in anything is not taken together; what is isolated is taken alone
select test.settle(6, 0, test.held(6), attempt => 1);
select test.settle(8, 0, test.held(8), attempt => 0);
select test.is('attempt 1 by itself', 5, (select n from test.claim(9, 100)));
select test.is('it is the second', 2, (select attempt from penstock.lease where token = test.token(9)));
select test.settle(9, 0, test.held(9), hold => 2);
select test.put('p', 3, -7);
select test.is('an isolated set alone', 5, (select n from test.claim(10, 100)));
select test.is('it stays isolated', 2, (select hold from penstock.lease where token = test.token(10)));
select test.is('the others come after', 3, (select n from test.claim(11, 100)));
select test.clean();

-- a horizon that is too high hides what is below it, and a scan finds it again
select test.put('q', 1, 3);
select test.is('beyond the horizon there is nothing', 0, (select count(*) from penstock.claim_take(test.token(12), 1, 3, 10, 1000000, 10, array[3]::smallint[], array[1000000]::bigint[])));
select test.is('a scan says where the lane begins', 1, (select count(*) from penstock.lane_scan(array[3]) s join penstock.parcel p on p.id = s.id where s.priority = 3 and p.lane = 3));
select test.is('then it is found', true::text, (select (n > 0)::text from test.claim(12, 1, 3)));
select test.clean();

-- the same token twice is an error, and takes nothing
select test.refused('a token is used once', $$ select test.claim(12, 1, 3) $$, '23505');
select test.clean();
