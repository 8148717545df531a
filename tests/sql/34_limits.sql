-- SPDX-License-Identifier: BSD-2-Clause
-- Limits of a stage over all hosts: jobs at once, jobs in a time.
select test.is('lanes', '{1,2}', penstock.register_pipeline('p', '{a,b}', '{3,3}', array[3, null]::int[], array[null, 10.0 / 3600]::float8[], array[null, 5]::int[])::text);
select test.is('host', 1, penstock.host_register(gen_random_uuid(), 'one', 'machine', 1, '0', 0));
select test.put('p', 10);

select test.is('as many as may run', 3, (select n from test.claim(1, 10)));
select test.is('no more', 0, (select count(*) from test.claim(2, 10)));
select test.settle(1, 0, int8multirange(int8range(lower(test.held(1)), lower(test.held(1)) + 1)), 2, hop => 1);
select test.is('one ended: one more', 1, (select n from test.claim(3, 10)));
select test.settle(1, 0, test.held(1), 2, hop => 1);
select test.is('two more', 2, (select n from test.claim(4, 10)));
select penstock.void_lease(test.token(4));
select test.is('handed back: free again', 2, (select n from test.claim(5, 10)));
select test.clean();

-- the rate: five at once, then ten an hour, so that none comes while a slow machine looks
select penstock.register_pipeline('p', '{a,b}', '{3,3}', array[null, null]::int[], array[null, 10.0 / 3600]::float8[], array[null, 5]::int[]);
select test.settle(3, 0, test.held(3), 2, hop => 1);
select test.settle(5, 0, test.held(5), 2, hop => 1);
select test.is('the limit is gone', 4, (select sum(n) from test.claim(6, 10)));
select test.settle(6, 0, test.held(6), 2, hop => 1);
select test.is('the burst', 5, (select n from test.claim(7, 10, 2)));
select test.is('is used up', 'true', (select (tokens < 1)::text from penstock.bucket));
update penstock.bucket set at = clock_timestamp(), tokens = 0;
select test.is('nothing at once', 0, (select count(*) from test.claim(8, 10, 2)));
update penstock.bucket set at = clock_timestamp() - interval '13 min', tokens = 0;
select test.is('two in a fifth of an hour', 2, (select n from test.claim(9, 10, 2)));
update penstock.bucket set at = clock_timestamp() - interval '1 hour';
select test.is('a pause gives a burst, not more', 3, (select n from test.claim(10, 3, 2)));
select test.is('what was not taken is left', 'true', (select (tokens between 2 and 2.9)::text from penstock.bucket));
update penstock.bucket set at = clock_timestamp() + interval '1 hour', tokens = 1;
select test.is('a clock that went back gives nothing', 'true', (select ((penstock.allowed(l, 10)).most = 1)::text from penstock.lane l where id = 2));
select test.is('a lane without a limit has no bucket', 1, (select count(*) from penstock.bucket));
select test.clean();

-- far from its limits each claim has a part of the tokens; one that has the lane alone has all, and leaves them even
select (penstock.register_pipeline('wide', '{a}', '{3}', '{1000000}', '{8000}', '{16000}'))[1] as wide \gset
select test.put('wide', 30000);
select test.is('from one part', 1500, (select n from test.claim(20, 1500, :wide)));
select test.is('that had two thousand', 1, (select count(*) from penstock.bucket where lane = :wide and tokens between 500 and 1000));
select test.is('again, from all of them', 1500, (select n from test.claim(21, 1500, :wide)));
select test.is('which are even', '8 true', (select concat_ws(' ', count(*), (max(tokens) - min(tokens) < 0.001)::text) from penstock.bucket where lane = :wide));
update penstock.bucket set tokens = 0, at = clock_timestamp() + interval '1 hour' where lane = :wide;
select test.is('there is none', 0, (select count(*) from test.claim(22, 4000, :wide)));
update penstock.bucket set tokens = 0, at = clock_timestamp() - interval '1 hour' where lane = :wide;
select test.is('a pause gives a burst, not more', '16000', (select penstock.fill_bucket(l, null)::text from penstock.lane l where l.id = :wide));
select test.is('a part of it to one', 2000, (select n from test.claim(23, 4000, :wide)));
select penstock.register_pipeline('wide', '{a}', '{3}', '{1000000}', '{0.002}', '{16}');
update penstock.bucket set tokens = 0, at = clock_timestamp() where lane = :wide;
select test.is('narrow: one part has all', 0, (select count(*) from test.claim(24, 4000, :wide)));
update penstock.bucket set at = clock_timestamp() - interval '10 hours' where lane = :wide;
select test.is('', 16, (select n from test.claim(25, 4000, :wide)));
select test.clean();
