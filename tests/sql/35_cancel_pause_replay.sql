-- SPDX-License-Identifier: BSD-2-Clause
-- What people do to jobs: each in every state, and in the middle of large sets.
select test.world();
create function cancelled(ids bigint[]) returns text language sql as
	$$ select cancelled || ' cancelled, ' || running || ' running' from penstock.cancel(ids) $$;

-- ready, in the middle of a parcel
select test.put('p', 1000); -- 1 to 1000
select test.is('three of a thousand', '3 cancelled, 0 running', cancelled('{1, 500, 1000}'));
select test.is('they are cancelled', 'cancelled', test.state(500));
select test.is('the others wait', '{[2,500),[501,1000)}', (select jobs::text from penstock.parcel));
select test.is('and are counted', 997, (select n from penstock.parcel));
select test.is('again: nothing', '0 cancelled, 0 running', cancelled('{500}'));
select test.is('a job that is not there', '0 cancelled, 0 running', cancelled('{99999999}'));
select test.is('no ids', '0 cancelled, 0 running', cancelled('{}'));
select test.is('no request is left', 0, (select count(*) from penstock.cancel_request));
select test.is('all of the rest', '997 cancelled, 0 running', cancelled(array(select generate_series(1, 1000))));
select test.is('the parcel is gone', 0, (select count(*) from penstock.parcel));
select test.clean();

-- deferred
select penstock.enqueue('p', run_at => now() + interval '1 day') as later \gset
select test.is('a job for later', '1 cancelled, 0 running', cancelled(array[:later]));
select test.is('is cancelled', 'cancelled', test.state(:later));

-- running: the settlement subtracts
select (test.put('p', 10))[1] as first \gset
select count(*) from test.claim(1, 10);
select test.is('ten run', '0 cancelled, 2 running', cancelled(array[:first, :first + 1]));
select test.is('they run on', 'running', test.state(:first));
select test.is('a host is told', 2, (select count(cancelled) from penstock.watch('{1}')));
select test.is('to the next lane', 0, test.settle(1, 0, test.held(1), 2, hop => 1));
select test.is('the two ended', 'cancelled', test.state(:first));
select test.is('eight went on', 8, (select n from penstock.parcel where lane = 2));
select test.is('nothing is asked any more', 0, (select count(*) from penstock.cancel_request));
select test.clean();

-- a retry and a dead letter are cancelled as well, a completed job is completed
select count(*) from test.claim(2, 10, 2);
select penstock.cancel(array[:first + 2]);
select test.is('part by part', 7, test.settle(2, 1, int8multirange(int8range(:first + 2, :first + 3)), 2, attempt => 1));
select test.is('no retry', 'cancelled', test.state(:first + 2));
select penstock.cancel(array[:first + 3]);
select test.is('dies', 6, test.settle(2, 5, int8multirange(int8range(:first + 3, :first + 4)), 2, attempt => 1));
select test.is('but was cancelled', 'cancelled', test.state(:first + 3));
select penstock.cancel(array[:first + 4]);
select test.is('completes', 5, test.settle(2, 2, int8multirange(int8range(:first + 4, :first + 5)), 2));
select test.is('is completed', 'completed', test.state(:first + 4));
select penstock.watch('{1}');
select test.is('and its request is forgotten', 0, (select count(*) from penstock.cancel_request));

-- a lease that is handed back meanwhile: the watch ends what was asked for
select penstock.cancel(array[:first + 5]);
select penstock.void_lease(test.token(2));
select test.is('ready again', 'ready', test.state(:first + 5));
select penstock.watch('{1}');
select test.is('then cancelled', 'cancelled', test.state(:first + 5));
select test.is('the other four wait', 4, (select sum(n) from penstock.parcel where lane = 2));
select test.clean();

-- pause
select test.is('one lane of p', 1, penstock.pause('p', 'b'));
select test.is('already', 0, penstock.pause('p', 'b'));
select test.is('no claim', 0, (select count(*) from test.claim(3, 10, 2)));
select test.is('not even with a horizon', 0, (select count(*) from penstock.claim_take(test.token(3), 1, 2, 10, 1000, 10, '{0}', '{0}')));
select test.is('nor a sight of it', 0, (select count(*) from penstock.lane_scan('{2}')));
select test.is('a host is told', 2, (select paused from penstock.watch('{1,2,3}') where paused is not null));
select test.is('enqueue goes on', 'ready', test.state(penstock.enqueue('p')));
select test.is('its own lane is open', 1, (select count(*) from test.claim(4, 10, 1)));
select test.is('resumed', 1, penstock.resume('p'));
select test.is('claimed', 4, (select n from test.claim(3, 10, 2)));
select test.is('the whole pipeline', 2, penstock.pause('p'));
select test.is('both again', 2, penstock.resume('p'));
select test.refused('a pipeline that is not there', $$ select penstock.pause('x') $$, 'PS003', 'no pipeline');
select test.refused('a stage that is not there', $$ select penstock.pause('p', 'x') $$, 'PS003', 'no stage ''x'' in pipeline ''p''');

-- dead letters: replay where they failed, purge
select count(*) from (select test.settle(3, 5, test.held(3), 2, hop => 1, attempt => 3)) x;
select lower(jobs) as d from penstock.dead \gset
select test.is('two of four are replayed', 2, penstock.replay(array[:d, :d + 1]));
select test.is('with all their attempts', '2 0 1', (select lane || ' ' || attempt || ' ' || hop from penstock.parcel where jobs @> :d::bigint));
select test.is('two stay', 2, (select n from penstock.dead));
select test.is('one is given up', 1, penstock.purge(array[:d + 2]));
select test.is('it is cancelled', 'cancelled', test.state(:d + 2));
select test.is('not twice', 0, penstock.purge(array[:d + 2]));
select test.is('nor replayed', 0, penstock.replay(array[:d + 2]));
select test.is('one stays', 'dead', test.state(:d + 3));
insert into penstock.failure (job, lane, attempt, code, message, release) values (:d + 3, 2, 3, 'X', '', '');
select test.clean();

-- retry now
select penstock.enqueue('q', run_at => now() + interval '1 day') as later \gset
select test.is('due now', 1, penstock.retry(array[:later]));
select test.is('ready', 'ready', test.state(:later));
select test.is('only once', 0, penstock.retry(array[:later]));
select test.clean();
