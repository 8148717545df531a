-- SPDX-License-Identifier: BSD-2-Clause
-- Ordering keys: one job of a key at a time, in their order, and nobody else waits.
select test.world();
create function put(k text) returns bigint language sql as $$ select penstock.enqueue('p', ordering_key => k) $$;
create function states(variadic ids bigint[]) returns text language sql as $$ select string_agg(test.state(id), ' ' order by o) from unnest(ids) with ordinality u(id, o) $$;
create function ends(t int, k int, p_attempt int default 1) returns bigint language plpgsql as $$
declare
	v_job bigint;
begin
	perform test.claim(t, 1);
	v_job := lower(test.held(t));
	if k = 5 then
		insert into penstock.failure (job, lane, attempt, code, message, release) values (v_job, 1, 1, 'X', '', '');
	end if;
	perform test.settle(t, k, test.held(t), attempt => p_attempt);
	return v_job;
end $$;

select put('k') as a, put('k') as b, put('k') as c, put('other') as d \gset
select test.is('none is ready before a host looked', 'waiting waiting waiting waiting', states(:a, :b, :c, :d));
select test.is('each has arrived', 4, (select sum(n) from penstock.arrival));
select test.is('all are placed', 4, penstock.give_turns(10));
select test.is('the first', 'ready waiting waiting ready', states(:a, :b, :c, :d));
select test.is('no more', 0, penstock.give_turns(10));
select test.is('one row for each key', 2, (select count(*) from penstock.turn));
select test.is('and for each that waits', 2, (select count(*) from penstock.ordered));
select test.is('nothing is there twice', 0, (select count(*) from penstock.arrival));
select test.clean();
select test.is('the first runs and ends', :a, ends(1, 2));
select test.is('the second follows at once', 'completed ready waiting ready', states(:a, :b, :c, :d));
select test.is('the other key', :d, ends(2, 2));
select test.is('the second retries', :b, ends(3, 1));
select test.is('the third waits for it', 'deferred waiting', states(:b, :c));
select test.clean();
update penstock.deferred set run_at = now();
select penstock.wake(10);
select test.is('it dies', :b, ends(4, 5));
select test.is('then the third goes on', 'dead ready', states(:b, :c));
select test.is('a replay', 1, penstock.replay(array[:b]));
select test.is('waits for the one that goes on', 'waiting ready', states(:b, :c));
select put('k') as e \gset
select test.is('also when a host looks', 2, penstock.give_turns(10));
select test.is('both behind it', 'waiting ready waiting', states(:b, :c, :e));
select test.clean();
select ends(5, 2);
select test.is('then it goes, and the younger ones wait', 'ready completed waiting', states(:b, :c, :e));
select test.is('and runs', :b, ends(7, 2));
select test.is('then they', :e, ends(8, 2));
select test.is('all over', 'completed completed completed', states(:b, :c, :e));
select test.is('no turn is left', 0, (select count(*) from penstock.turn));
select test.clean();

-- cancel, of one that waits and of one that has the turn
select put('k') as a, put('k') as b, put('k') as c \gset
select penstock.give_turns(10);
select test.is('the one in the middle', 1, (select cancelled from penstock.cancel(array[:b])));
select test.is('the first goes on', 'ready cancelled waiting', states(:a, :b, :c));
select test.is('the first', 1, (select cancelled from penstock.cancel(array[:a])));
select test.is('passes its turn on', 'cancelled cancelled ready', states(:a, :b, :c));
select ends(9, 2);
select test.is('rolled back, no turn is taken', 0, (select count(*) from penstock.turn));
select test.clean();

-- of a set that has arrived, before a host looked
select penstock.enqueue_many('p', array_fill('{"n": 1}'::json, array[4]), ordering_keys => '{k,l,k,l}') as ids \gset
select test.is('the first of one key and the last of the other', 2, (select cancelled from penstock.cancel(array[(:'ids'::bigint[])[1], (:'ids'::bigint[])[4]])));
select test.is('the others keep their keys', '2 {l,k}', (select n || ' ' || keys::text from penstock.arrival));
select test.clean();
select test.is('and take their turns', 2, penstock.give_turns(10));
select test.is('each of its own', 'cancelled ready ready cancelled', states(variadic :'ids'));
select test.is('cancelled, too', 2, (select cancelled from penstock.cancel((:'ids'::bigint[])[2:3])));
select test.is('no turn is taken', 0, (select count(*) from penstock.turn));
select put('k') as a \gset
select test.is('all of a set', 1, (select cancelled from penstock.cancel(array[:a])));
select test.is('is not kept', 0, (select count(*) from penstock.arrival));
select test.clean();

-- to the next stage: the turn is kept
select put('k') as a, put('k') as b \gset
select penstock.give_turns(10);
select count(*) from test.claim(8, 1);
select test.settle(8, 0, test.held(8), 2, hop => 1);
select test.is('between stages', 'ready waiting', states(:a, :b));
select test.is('nobody else begins', 0, (select count(*) from test.claim(9, 10)));
select count(*) from test.claim(10, 1, 2);
select test.settle(10, 2, test.held(10), 2);
select test.is('then the next', 'completed ready', states(:a, :b));
select ends(11, 2);

-- a dead letter of a later stage comes back there; one that nobody is before of is ready when a host looked; a purged one is forgotten
select put('k') as a, put('k') as b, penstock.enqueue('p') as c \gset
select penstock.give_turns(10);
select count(*) from test.claim(12, 2);
select test.settle(12, 0, test.held(12), 2, hop => 1);
select count(*) from test.claim(13, 2, 2);
select test.is('both run in the second stage', 2, (select n from penstock.lease));
insert into penstock.failure (job, lane, attempt, code, message, release) values (:a, 2, 1, 'X', '', ''), (:c, 2, 1, 'X', '', '');
select test.settle(13, 5, test.held(13), 2, hop => 1, attempt => 1);
select test.is('dead, and its successor ends', :b, ends(14, 2));
select test.clean();
select test.is('both are replayed', 2, penstock.replay(array[:a, :c]));
select test.is('the one with a key waits for a host', 'waiting ready', states(:a, :c));
select test.clean();
select test.is('which gives it its turn', 1, penstock.give_turns(10));
select test.is('at once', 'ready', states(:a));
select test.is('in the second stage', '2 1 2', (select string_agg(concat_ws(' ', lane, hop, n), ', ') from (select lane, hop, sum(n) as n from penstock.parcel group by lane, hop) s));
select count(*) from test.claim(15, 1, 2) a, test.claim(16, 1, 2) b;
insert into penstock.failure (job, lane, attempt, code, message, release) values (:a, 2, 1, 'X', '', '');
select test.settle(t, 5, test.held(t), 2, hop => 1, attempt => 1) from unnest('{15,16}'::int[]) t;
select test.is('its key is kept', 1, (select count(*) from penstock.missed where job = :a and key = 'k'));
select test.is('given up', 2, penstock.purge(array[:a, :c]));
select test.is('with its key', 0, (select count(*) from penstock.missed));
select test.clean();

-- many: with keys and without
select penstock.enqueue_many('p', array_fill('{}'::json, array[6]), ordering_keys => array['x', 'y', null, 'x', 'y', null]) as ids \gset
select test.is('two are ready at once', 2, (select sum(n) from penstock.parcel));
select test.is('the others came as one set', 1, (select count(*) from penstock.arrival where keys = '{x,y,x,y}' and n = 4));
select test.is('two keys', 4, penstock.give_turns(10));
select test.is('in the order of the array', (:'ids'::bigint[])[1:2]::text, (select array_agg(job order by key) from penstock.turn)::text);
select test.is('and behind them', (:'ids'::bigint[])[4:5]::text, (select array_agg(job order by key) from penstock.ordered)::text);
select test.is('so many at a time', 'true', (select count(*) = 100 from (select put('k' || n) from generate_series(1, 100) n) s)::text);
select test.is('forty', 40, penstock.give_turns(40));
select test.is('and the rest', 60, penstock.give_turns(100));
select test.clean();
-- who waits without a turn is found: nobody should be, see give_turns()
delete from penstock.turn where key = 'x';
select penstock.enqueue('p', ordering_key => 'x') as late \gset
select test.is('and goes before what arrives', 1, penstock.give_turns(100));
select test.is('at its place', 'ready waiting', states((:'ids'::bigint[])[4], :late));
select test.is('then that', 1, penstock.give_turns(100));
select test.is('waits for it', 'x', (select key from penstock.ordered where job = :late));
select test.clean();

-- refused
select test.refused('an empty key', $$ select put('') $$, 'PS004', '1 to 255');
select test.refused('later', $$ select penstock.enqueue('p', ordering_key => 'k', run_at => now()) $$, 'PS004', 'exclude');
select test.refused('as many keys', $$ select penstock.enqueue_many('p', array['{}']::json[], ordering_keys => '{a,b}') $$, 'PS004', 'ordering_keys has 2');
