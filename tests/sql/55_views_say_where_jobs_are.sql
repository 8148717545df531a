-- SPDX-License-Identifier: BSD-2-Clause
-- lanes, hosts, jobs and job_state agree, for a job in every state.
select test.world();
select test.put('p', 40);
select count(*) from test.claim(1, 30);
select penstock.settle(test.token(1), '{2,3,4,1,5,0}', '{1,1,1,1,1,2}', '{0,0,0,3600000,0,0}', '{0,0,0,0,0,1}', '{0,0,0,0,0,0}', '{0,0,0,1,3,0}', '{0,0,0,0,0,0}', '{0,0,0,7,0,9}',
	array['{[1,2)}', '{[2,4)}', '{[4,7)}', '{[7,11)}', '{[11,16)}', '{[16,22)}']::int8multirange[], '{}', '{}', '{}', '{}',
	array[11, 12, 13, 14, 15]::bigint[], '{1,1,1,1,1}', '{3,3,3,3,3}', '{E,E,E,E,E}', '{m,m,m,m,m}', '{r,r,r,r,r}');

-- 22 to 30 are running, 31 to 40 are ready
select test.is('lanes of p: ready, parcels, running, deferred, dead', 'a 10 1 9 4 5, b 6 1 0 0 0',
	(select string_agg(concat_ws(' ', stage, ready, parcels, running, deferred, dead), ', ' order by position) from penstock.lanes where pipeline = 'p'));
select test.is('an empty lane is a row of zeros', 'only 0 0 0 0 0 0', (select concat_ws(' ', stage, ready, parcels, running, deferred, dead, ready_bytes) from penstock.lanes where pipeline = 'q'));
select test.is('bytes that wait', '20 9', (select string_agg(ready_bytes::text, ' ' order by position) from penstock.lanes where pipeline = 'p'));
select test.is('what is ready has an age, what is not has none', 'true true false',
	(select string_agg((oldest >= interval '0')::text || '', ' ' order by lane) from (select lane, coalesce(oldest, '-1 s') as oldest from penstock.lanes) x));
select test.is('the host runs nine', 'one machine 1 9', (select concat_ws(' ', name, machine, pid, running) from penstock.hosts));
select test.is('jobs by state', 'cancelled 3, completed 1, dead 5, deferred 4, discarded 2, ready 16, running 9',
	(select string_agg(state || ' ' || n, ', ' order by state) from (select state, count(*) as n from penstock.jobs group by state) x));
select test.is('each job once', '40 40 40', (select concat_ws(' ', count(*), count(distinct id), max(id)) from penstock.jobs));

-- the view and the function say the same of every job
select test.is('they agree', 0, (select count(*) from penstock.jobs v cross join lateral penstock.job_state(v.id) f
	where (v.id, v.pipeline, v.stage, v.state, v.attempt, v.hop, v.since, v.run_at) is distinct from (f.id, f.pipeline, f.stage, f.state, f.attempt, f.hop, f.since, f.run_at)));
select test.is('about all of them', 40, (select count(*) from penstock.jobs v cross join lateral penstock.job_state(v.id) f));
create function tell(id bigint) returns text
language sql as $$ select concat_ws(' ', pipeline, stage, state, 'attempt', attempt, 'hop', hop, case when since is not null then 'since' end, case when run_at > now() then 'later' end,
                                    'host ' || host) from penstock.job_state(id) $$;
select test.is('completed', 'p a completed attempt hop since', tell(1));
select test.is('discarded', 'p a discarded attempt hop since', tell(3));
select test.is('cancelled', 'p a cancelled attempt hop since', tell(6));
select test.is('deferred', 'p a deferred attempt 1 hop 0 later', tell(7));
select test.is('dead', 'p a dead attempt 3 hop 0 since', tell(15));
select test.is('ready in the next stage', 'p b ready attempt 0 hop 1', tell(16));
select test.is('running', 'p a running attempt 1 hop 0 since host 1', tell(22));
select test.is('ready', 'p a ready attempt 0 hop 0', tell(40));
select test.is('no such job', 0, (select count(*) from penstock.job_state(41)));
select test.is('no such block', 0, (select count(*) from penstock.job_state(1::bigint << 40)));
select test.is('null', 0, (select count(*) from penstock.job_state(null)));
select test.clean();
