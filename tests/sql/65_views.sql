-- SPDX-License-Identifier: BSD-2-Clause
-- What people see: lanes, hosts, jobs, and where one job is.
select test.world();

create function lane(l text) returns text language sql as
$$ select ready || ' ready in ' || parcels || ', ' || running || ' running, ' || deferred || ' deferred, ' || dead || ' dead, ' || ready_bytes || ' bytes'
   from penstock.lanes where stage = l $$;
create function see(job bigint) returns text language sql as
$$ select concat_ws(' ', pipeline, stage, state, attempt, hop, input_hop, host,
                    case when since is null then '' else 'since' end || case when run_at is null then '' else ' later' end)
   from penstock.job_state(job) $$;

select test.is('nothing', '0 ready in 0, 0 running, 0 deferred, 0 dead, 0 bytes', lane('a'));
select test.is('nor is anything old', null, (select oldest::text from penstock.lanes where stage = 'a'));
select test.is('in order', 'p a 0, p b 1, q only 0', (select string_agg(pipeline || ' ' || stage || ' ' || position, ', ' order by pipeline, position) from penstock.lanes));

select test.put('p', 10);
select penstock.enqueue('p', '{"a": 1}', '\x0102', 5) as late \gset
update penstock.job set created_at = now() - interval '1 hour' where id = 1;
select test.is('ready', '11 ready in 2, 0 running, 0 deferred, 0 dead, 30 bytes', lane('a'));
select test.is('the age of the first', true::text, (select (oldest between interval '1 hour' and interval '61 minutes')::text from penstock.lanes where stage = 'a'));
select count(*) from test.claim(1, 8);
select test.is('running', '3 ready in 2, 8 running, 0 deferred, 0 dead, 14 bytes', lane('a'));
select test.is('by their host', 8, (select running from penstock.hosts where name = 'one'));
select test.is('a running job', 'p a running 1 0 0 1 since', see(2));
select test.is('a ready one', 'p a ready 0 0 0 ', see(9));

select penstock.settle(test.token(1), '{0,1,2,3,4,5}', '{2,1,1,1,1,1}', '{0,3600000,0,0,0,0}', '{1,0,0,0,0,0}', '{1,0,0,0,0,0}', '{0,2,1,1,1,1}', '{0,0,0,0,0,0}',
	'{7,7,7,7,7,7}', array['{[1,3)}', '{[3,4)}', '{[4,5)}', '{[5,6)}', '{[6,7)}', '{[7,9)}']::int8multirange[],
	'{1,2}', '{1,1}', array['{}', '{}']::json[], array[null, null]::bytea[], '{7,8}', '{1,1}', '{1,1}', '{X,Y}', '{m,m}', '{r,r}');
select test.is('after the settlement', '3 ready in 2, 0 running, 1 deferred, 2 dead, 14 bytes', lane('a'));
select test.is('in the next stage', '2 ready in 1, 0 running, 0 deferred, 0 dead, 7 bytes', lane('b'));
select test.is('one went on', 'p b ready 0 1 1 ', see(1));
select test.is('one waits', 'p a deferred 2 0 0  later', see(3));
select test.is('one is completed', 'p a completed since', see(4));
select test.is('one is discarded', 'p a discarded since', see(5));
select test.is('one is cancelled', 'p a cancelled since', see(6));
select test.is('one is dead', 'p a dead 1 0 0 since', see(7));
select test.is('no row for no job', 0, (select count(*) from penstock.job_state(12345)));
select test.is('nor for null', 0, (select count(*) from penstock.job_state(null)));
select test.is('nor far away', 0, (select count(*) from penstock.job_state(9223372036854775807)));
select test.is('nor below', 0, (select count(*) from penstock.job_state(-1)));

-- the view of all jobs and the function for one say the same
select test.is('each job once', 11, (select count(*) from penstock.jobs));
select test.is('the same of each', 0, (select count(*) from penstock.jobs v left join lateral penstock.job_state(v.id) s on true
	where (v.pipeline, v.stage, v.state, v.attempt, v.hop, v.since, v.run_at) is distinct from (s.pipeline, s.stage, s.state, s.attempt, s.hop, s.since, s.run_at)));

-- a stage that is not configured any more keeps its lane while it is out of sight of enqueue
select penstock.register_pipeline('p', array['b', 'c'], array[3, 7]::smallint[]);
select test.is('lanes of p now', 'a -1 3, b 0 3, c 1 7', (select string_agg(stage || ' ' || position || ' ' || max_attempts, ', ' order by position) from penstock.lanes where pipeline = 'p'));
select penstock.enqueue('p') as id \gset
select test.is('new jobs go to the first', 'b', (select stage from penstock.job_state(:id)));
select test.is('and back', '{1,2}', penstock.register_pipeline('p', array['a', 'b'], array[3, 3]::smallint[])::text);
select test.clean();
