-- SPDX-License-Identifier: BSD-2-Clause
-- Fan-out and fan-in: children of jobs, and parents that wait for them.
select test.world();
create function kin(p bigint) returns bigint[] language sql as $$ select array_agg(id order by id) from penstock.job where parent = p $$;
create function ends(t int, k int, jobs bigint[]) returns void language plpgsql as $$
begin
	perform test.claim(t, 10000, 2, most => 1000);
	insert into penstock.failure (job, lane, attempt, code, message, release) select id, 2, 1, 'X', '', '' from unnest(jobs) id where k = 5;
	perform test.settle(t, k, penstock.as_set(jobs), 2);
	perform penstock.void_lease(test.token(t));
end $$;

-- to the next lane, when the last of three completed
select penstock.enqueue('p') as parent \gset
select count(*) from test.claim(1, 1);
select test.is('it splits', 0, test.split(1, 6, 3));
select test.is('it waits', 'waiting', test.state(:parent));
select test.is('three children are ready', 'ready ready ready', (select string_agg(state, ' ') from penstock.children(:parent)));
select test.is('with their messages', :parent, (select min((attributes->>'of')::bigint) from penstock.children(:parent)));
select test.is('lanes counts it', 1, (select waiting from penstock.lanes where lane = 2));
select test.clean();
select ends(2, 2, (kin(:parent))[1:2]);
select test.is('two ended: it waits', 'waiting', test.state(:parent));
select ends(3, 3, (kin(:parent))[3:3]);
select test.is('a discarded one is well, too: it goes on', 'ready', test.state(:parent));
select test.is('in its lane, with a first attempt', '2 0 1', (select lane || ' ' || attempt || ' ' || hop from penstock.parcel where jobs @> :parent::bigint));
select test.is('nothing is left of it', 0, (select count(*) from penstock.child));
select test.clean();
select ends(4, 2, array[:parent]);

-- a dead child: the parent dies with it, when all ended; replayed, the child counts no more
select penstock.enqueue('p') as parent \gset
select count(*) from test.claim(5, 1);
select test.split(5, 6, 2);
select ends(6, 5, (kin(:parent))[1:1]);
select test.is('it waits for the others', 'waiting', test.state(:parent));
select ends(7, 2, (kin(:parent))[2:2]);
select test.is('then it dies', 'dead', test.state(:parent));
select test.is('and says why', 'CHILD_FAILED 1 of its 2 children did not complete', (select code || ' ' || message from penstock.failure where job = :parent));
select test.is('the child is replayed', 1, penstock.replay((kin(:parent))[1:1]));
select ends(8, 2, (kin(:parent))[1:1]);
select test.is('the parent is replayed where it would have gone', 1, penstock.replay(array[:parent]));
select ends(9, 2, array[:parent]);
select test.is('completed', 'completed', test.state(:parent));
select test.clean();

-- the same, however they end
select penstock.enqueue('p') as parent \gset
select count(*) from test.claim(10, 1);
select test.split(10, 7, 2);
select ends(11, 5, kin(:parent));
select test.is('it goes on', 'ready', test.state(:parent));
select ends(12, 2, array[:parent]);

-- the end of the pipeline
select (test.put('p', 1))[1] as parent \gset
select count(*) from test.claim(13, 1);
select test.split(13, 8, 1);
select ends(14, 2, kin(:parent));
select test.is('completed with its child', 'completed', test.state(:parent));
select test.clean();

-- grandchildren: the end goes up
select penstock.enqueue('p') as parent \gset
select count(*) from test.claim(15, 1);
select test.split(15, 8, 1);
select count(*) from test.claim(16, 1, 2);
select test.split(16, 8, 2);
select test.is('both wait', 'waiting waiting', test.state(:parent) || ' ' || test.state((kin(:parent))[1]));
select ends(17, 2, kin((kin(:parent))[1]));
select test.is('both are completed', 'completed completed', test.state(:parent) || ' ' || test.state((kin(:parent))[1]));
select test.clean();

-- cancel takes the family
select penstock.enqueue('p') as parent \gset
select count(*) from test.claim(18, 1);
select test.split(18, 6, 3);
select test.is('all four', 4, (select cancelled from penstock.cancel(array[:parent])));
select test.is('no child is left', 'cancelled', (select string_agg(distinct state, ' ') from penstock.children(:parent)));
select test.is('nor their bond', 0, (select count(*) from penstock.child));
select test.clean();

-- a cancelled child is one that failed; children without a wait hold nobody up
select penstock.enqueue('p') as parent \gset
select count(*) from test.claim(19, 1);
select test.split(19, 6, 1);
select penstock.cancel(kin(:parent));
select test.is('its parent dies', 'dead', test.state(:parent));
select penstock.purge(array[:parent]);
select penstock.enqueue('p') as parent \gset
select count(*) from test.claim(20, 1);
select test.split(20, 2, 2, 2);
select test.is('completed at once', 'completed', test.state(:parent));
select test.is('its children are ready', 'ready ready', (select string_agg(state, ' ') from penstock.children(:parent)));
select ends(21, 2, kin(:parent));

-- cancelled while it splits: no child begins
select penstock.enqueue('p') as parent \gset
select count(*) from test.claim(22, 1);
select penstock.cancel(array[:parent]);
select test.split(22, 6, 2);
select test.is('cancelled', 'cancelled', test.state(:parent));
select test.is('childless', null, kin(:parent)::text);

-- a wait for nothing is refused, and changes nothing
select penstock.enqueue('p') as parent \gset
select count(*) from test.claim(23, 1);
select test.refused('no children', $$ select test.settle(23, 6, test.held(23), 2) $$, 'PS002', 'children that it has not');
select test.is('runs on', 'running', test.state(:parent));
select test.settle(23, 2, test.held(23));
select test.clean();

-- many, in one settlement
select test.put('p', 50);
select count(*) from test.claim(24, 50);
select test.split(24, 6, 100);
select test.is('five thousand children', 5000, (select sum(n) from penstock.parcel where lane = 2));
select ends(25, 2, array(select job from penstock.child order by job limit 1000));
select ends(26, 2, array(select job from penstock.child));
select test.is('fifty go on', 50, (select sum(n) from penstock.parcel where lane = 2));
select test.clean();
