-- SPDX-License-Identifier: BSD-2-Clause
-- Jobs, bytes and locks: what a claim may take, and that what is cut adds up.
select test.world();

-- parcels of 10 jobs and 1 000 bytes each, in one lane
create function parcels(p_lane int, count int, size int, p_bytes bigint) returns void
language sql as $$
	with job as (insert into penstock.job (id, pipeline) select nextval('penstock.job_id'), 1 from generate_series(1, count * size) returning id)
	insert into penstock.parcel (lane, priority, n, bytes, jobs)
	select p_lane, 0, count(*), p_bytes, range_agg(int8range(id, id + 1)) from (select id, row_number() over (order by id) as o from job) j
	group by (o - 1) / size order by (o - 1) / size
$$;
create function takes(t int, want int, bytes bigint, most int) returns text
language sql as $$ select n || ' jobs, ' || bytes || ' bytes' from test.claim(t, want, 1, bytes, most) $$;
create function rest() returns text
language sql as $$ select string_agg(n || ':' || bytes, ' ' order by id) from penstock.parcel where lane = 1 $$;

select parcels(1, 5, 10, 1000);
select test.is('the first whole, the second cut by bytes', '15 jobs, 1500 bytes', takes(1, 100, 1500, 100));
select test.is('what is cut adds up', '5:500 10:1000 10:1000 10:1000', rest());
select test.is('bytes that end between two parcels cut none', '15 jobs, 1500 bytes', takes(2, 100, 1500, 100));
select test.is('two are whole', '10:1000 10:1000', rest());
select test.is('bytes that do not reach for one more job', '10 jobs, 1000 bytes', takes(3, 100, 1099, 100));
select test.is('and the next is untouched', '10:1000', rest());
select test.is('jobs before bytes', '3 jobs, 300 bytes', takes(4, 3, 1000, 100));
select test.is('seven are left', '7:700', rest());
select test.is('at least one job', '1 jobs, 100 bytes', takes(5, 100, 1, 100));
select test.is('also when no bytes are left for it', '1 jobs, 100 bytes', takes(6, 100, 1, 1));
select test.is('no jobs are wanted', null, takes(7, 0, 1000, 100));
select test.is('the rest', '5 jobs, 500 bytes', takes(8, 100, 100000, 100));
select test.clean();

-- an oversized one behind is not taken as a first one
select parcels(1, 1, 1, 100);
select parcels(1, 1, 1, 5000);
select test.is('the small one alone', '1 jobs, 100 bytes', takes(9, 100, 1000, 100));
select test.is('then the large one, alone', '1 jobs, 5000 bytes', takes(10, 100, 1000, 100));

-- no bytes known: only jobs count
select parcels(1, 3, 10, 0);
select test.is('parcels without bytes', '25 jobs, 0 bytes', takes(11, 25, 1000, 100));
select test.is('no parcel is locked beyond the limit', '5 jobs, 0 bytes', takes(12, 25, 1000, 1));
select test.clean();

-- a set with gaps is cut after so many jobs, not after so many ids
select test.put('p', 20);
select count(*) from test.claim(13, 20);
select test.settle(13, 2, (select range_agg(int8range(g, g + 1)) from unnest(test.held(13)) r, generate_series(lower(r), upper(r) - 1, 2) g));
select test.settle(13, 0, test.held(13));
select test.is('three of every second one', '3 jobs, 0 bytes', takes(14, 3, 1000, 100));
select test.is('are three', 3, (select count(*) from penstock.lease l, unnest(l.jobs) where token = test.token(14)));
select test.is('none is between', 0, (select penstock.cardinality(l.jobs * p.jobs) from penstock.lease l, penstock.parcel p where token = test.token(14) and p.lane = 1));
select test.is('the first three', true::text, (select upper(l.jobs) < lower(p.jobs) from penstock.lease l, penstock.parcel p where token = test.token(14) and p.lane = 1)::text);
select test.is('seven are left', '7:0', rest());
select test.clean();

-- the order within a lane is that of the parcels' numbers, and a claim answers how far it came
select parcels(2, 4, 2, 0);
select test.is('attempt, hop, input hop, priority, hold, jobs, bytes, parcels', '1 0 0 0 0 5 0 3',
	(select concat_ws(' ', attempt, hop, input_hop, priority, hold, n, bytes, parcels)
	 from penstock.claim_take(test.token(15), 1, 2, 5, 1000, 100, '{0}', '{0}')));
select test.is('what is left begins where it says', (select min(id) from penstock.parcel where lane = 2),
	(select last from penstock.claim_take(test.token(16), 1, 2, 1, 1000, 1, '{0}', '{0}')));
select test.clean();

-- the lane, and no other
select test.is('an unknown lane', 0, (select count(*) from test.claim(17, 10, 99)));
select test.is('no horizon', 0, (select count(*) from penstock.claim_take(test.token(18), 1, 2, 10, 1000, 10, '{}', '{}')));

-- a look behind what is known
select parcels(3, 3, 1, 0);
select min(id) as first, max(id) as last from penstock.parcel where lane = 3 \gset
select test.is('a look finds the first', :first, (select id from penstock.lane_peek('{3}', '{0}', '{0}')));
select test.is('or the first behind', :last, (select id from penstock.lane_peek('{3}', '{0}', array[:last])));
select test.is('or nothing', 0, (select count(*) from penstock.lane_peek('{3,2,3}', '{0,5,1}', array[:last + 1, 0, 0])));
select test.put('p', 1, 4);
select test.put('p', 1, -4);
select test.is('a scan names each priority, best first', '-4 4', (select string_agg(priority::text, ' ') from penstock.lane_scan('{1}') where priority <> 0));
select test.is('lanes in the order asked', '3 1', (select string_agg(lane::text, ' ') from penstock.lane_scan('{3,1}') where priority in (0, -4) and lane <> 1 or priority = -4));
select test.clean();
