-- SPDX-License-Identifier: BSD-2-Clause
-- Routes to several stages: children with their parent's message, what they made of it joined, and what becomes of failed ones.
select test.world();
select test.is('lanes of r', '{4,5,6,7}', penstock.register_pipeline('r', array['s', 'x', 'y', 'z'], array[3, 3, 3, 3]::smallint[])::text);

create function kin(p bigint) returns bigint[] language sql as $$ select array_agg(id order by id) from penstock.job where parent = p $$;
create function message(p bigint) returns text language sql as $$
	select o.attributes::text from penstock.output o where o.job = p order by o.hop desc limit 1
$$;

-- ---- the message is there, and no body is copied

select penstock.enqueue('r', '{"a": 1, "b": 2.50, "keep": "x"}', 'the body', traceparent => 'tp') as parent \gset
select count(*) from test.claim(1, 1, 4);
select test.is('it goes to both', 0, test.fork(1, 10));
select test.is('it waits', 'waiting', test.state(:parent));
select test.is('a child is ready at each', 'x ready, y ready', (select string_agg(s.stage || ' ' || s.state, ', ' order by k.o) from unnest(kin(:parent)) with ordinality k(id, o), penstock.job_state(k.id) s));
select test.is('with its attributes', 1, (select count(distinct j.attributes::text) from penstock.job j where j.id = any (kin(:parent)) or j.id = :parent));
select test.is('and its trace', 'tp tp', (select string_agg(j.traceparent, ' ') from penstock.job j where j.parent = :parent));
select test.is('no body is copied', 0, (select count(body) from penstock.job where parent = :parent));
select test.is('and each has it', 'the body the body', (select string_agg(convert_from(body, 'utf8'), ' ') from penstock.children(:parent)));
select test.is('its claim is charged with it', 10, (select max(bytes) from penstock.parcel where lane = 5));
select test.is('they are known in the order of the route', kin(:parent)::text, (select branches::text from penstock.waiting where job = :parent));
select test.clean();

-- ---- what they made is joined

select test.end_one(2, 5, (kin(:parent))[1], 2, '{"a": 1, "b": 2.5, "keep": "x", "vector": [1, 2], "both": "first", "nothing": null}');
select test.is('one ended: it waits', 'waiting', test.state(:parent));
select test.end_one(3, 6, (kin(:parent))[2], 2, '{"keep":"y","both":"second","summary":"s","b":2.50}');
select test.is('it goes on', 'z ready', (select stage || ' ' || state from penstock.job_state(:parent)));
select test.is('what was changed or added is joined, later branches win', '{"a": 1, "b": 2.50, "both": "second", "keep": "y", "vector": [1, 2], "nothing": null, "summary": "s"}',
	message(:parent)::jsonb::text);
select test.is('in their order, and the rest is as it was written', 'a=1 b=2.50 keep="y" vector=[1, 2] nothing=null both="second" summary="s"',
	(select string_agg(e.key || '=' || e.value, ' ' order by e.o) from json_each(message(:parent)::json) with ordinality e(key, value, o)));
select test.is('it is one hop further', '2 2 0', (select hop || ' ' || input_hop || ' ' || attempt from penstock.parcel where jobs @> :parent::bigint));
select test.is('its body is still there', 'the body', (select convert_from(body, 'utf8') from penstock.output where job = :parent));
select test.clean();
select test.end_one(4, 7, :parent);

-- nothing made, nothing stored; what a discarded one made does not count
select penstock.enqueue('r', '{"a": 1}') as parent \gset
select count(*) from test.claim(5, 1, 4);
select test.fork(5, 10);
select test.is('without a body nothing is shared', 0, (select count(body_job) from penstock.job where parent = :parent));
select test.end_one(6, 5, (kin(:parent))[1], 2, '{"a":1}');
select test.end_one(7, 6, (kin(:parent))[2], 3, '{"a":2}');
select test.is('it goes on as it was', '1 0', (select hop || ' ' || input_hop from penstock.parcel where jobs @> :parent::bigint));
select test.is('with nothing stored', 0, (select count(*) from penstock.output where job = :parent));
select test.end_one(8, 7, :parent);

-- a message that stages had made before; the end; and branches within branches
select penstock.enqueue('r', '{"a": 1}', 'first') as parent \gset
select count(*) from test.claim(9, 1, 4);
select test.fork(9, 12, '{"a": 7}', 'second');
select test.is('the children have what the stage made', '7 second, 7 second', (select string_agg(attributes->>'a' || ' ' || convert_from(body, 'utf8'), ', ') from penstock.children(:parent)));
select test.is('that is shared, too', 0, (select count(body) from penstock.job where parent = :parent));
select count(*) from test.claim(10, 1, 5);
select test.fork(10, 12, p_to => '{6,6}');
select (kin(:parent))[1] as child \gset
select test.is('grandchildren share it with the first', :'parent' || ' ' || :'parent', (select string_agg(body_job::text, ' ') from penstock.job where parent = :child));
select test.is('and see it', 'second second', (select string_agg(convert_from(body, 'utf8'), ' ') from penstock.children(:child)));
select test.end_one(11, 6, (kin(:child))[1], 2, '{"a": 7, "deep": 1}');
select test.end_one(12, 6, (kin(:child))[2]);
select test.is('the child is completed with theirs', 'completed', test.state(:child));
select test.end_one(13, 6, (kin(:parent))[2], 2, '{"a": 8}');
select test.is('and the parent with all', 'completed', test.state(:parent));
select test.is('joined', '{"a":8,"deep":1}', regexp_replace(message(:parent), ' ', '', 'g'));
select test.is('with the body that it had', 'second', (select convert_from(body, 'utf8') from penstock.output where job = :parent and hop = 2));
select test.clean();

-- ---- many at once, and some of them cancelled

select test.put('r', 300);
select count(*) from test.claim(14, 300, 4);
select penstock.cancel(array[(select lower(jobs) from penstock.lease)]);
select test.is('299 wait', 0, test.fork(14, 10));
select test.is('for two each', '299 598', (select count(*) || ' ' || sum(pending) from penstock.waiting));
select test.is('whose children are in two parcels', '299 299', (select string_agg(n::text, ' ') from penstock.parcel where lane in (5, 6)));
select test.clean();
select test.is('a cancelled one takes its children', 3, (select cancelled from penstock.cancel(array[(select min(job) from penstock.waiting)])));
select penstock.cancel(array(select job from penstock.waiting));
select test.is('all are cancelled', 0, (select count(*) from penstock.child));
select test.clean();

-- ---- many that end in one settlement: each with what its own branches made, in sets

-- A whole lease ends; every second job was made into something, every tenth one is dead.
create function end_all(t int, p_lane int, p_name text) returns int language sql as $$
	insert into penstock.failure (job, lane, attempt, code, message, release)
	select g.id, p_lane, 1, 'X', '', '' from unnest(test.held(t)) r, generate_series(lower(r), upper(r) - 1) as g(id) where g.id / 2 % 10 = 0;
	select penstock.settle(test.token(t), '{2,5}', array[p_lane, p_lane], '{0,0}', '{1,1}', '{1,1}', '{1,1}', '{0,0}', '{0,0}',
		array[penstock.as_set(array_agg(i.id) filter (where i.id / 2 % 10 <> 0)), penstock.as_set(array_agg(i.id) filter (where i.id / 2 % 10 = 0))],
		array_agg(i.id) filter (where i.id / 2 % 2 = 0), array_agg(1::smallint) filter (where i.id / 2 % 2 = 0),
		array_agg(json_build_object('a', 1, p_name, i.id)) filter (where i.id / 2 % 2 = 0), array_agg(null::bytea) filter (where i.id / 2 % 2 = 0),
		'{}', '{}', '{}', '{}', '{}', '{}')
	from (select g.id from unnest(test.held(t)) r, generate_series(lower(r), upper(r) - 1) as g(id)) i
$$;
select (penstock.enqueue_many('r', array_fill('{"a": 1}'::json, array[500])))[1] as first \gset
select count(*) from test.claim(60, 500, 4);
select test.fork(60, 11);
select count(*) from test.claim(61, 500, 5);
select end_all(61, 5, 'x');
select count(*) from test.claim(62, 500, 6);
select end_all(62, 6, 'y');
select test.is('all go on', 500, (select sum(n) from penstock.parcel where lane = 7)::bigint);
select test.is('in few sets, by whether something was made of them', '200 100 | 200',
	(select string_agg(p.sets, ' | ' order by p.input_hop) from (select input_hop, string_agg(n::text, ' ' order by id) as sets from penstock.parcel where lane = 7 group by input_hop) p));
select test.is('each with what its own branches made, and no dead one', 0,
	(select count(*) from penstock.job p
	 left join lateral (select o.attributes from penstock.output o where o.job = p.id order by o.hop desc limit 1) o on true
	 cross join lateral (select jsonb_object_agg(x.name, x.id) as made
	                     from (select k.id, case when k.o = 1 then 'x' else 'y' end as name from unnest(kin(p.id)) with ordinality k(id, o)) x
	                     where x.id / 2 % 2 = 0 and x.id / 2 % 10 <> 0) m
	 where p.id between :first and :first + 499 and coalesce((o.attributes::jsonb - 'a'), '{}') <> coalesce(m.made, '{}')));
select test.clean();
select count(*) from test.claim(63, 500, 7, most => 10);
select test.settle(63, 2, test.held(63), 7);
select penstock.purge(array(select g.id from penstock.dead d, unnest(d.jobs) r, generate_series(lower(r), upper(r) - 1) as g(id)));

-- ---- a branch that fails

select penstock.enqueue('r', '{"a": 1}', 'body') as parent \gset
select count(*) from test.claim(15, 1, 4);
select test.fork(15, 11);
select test.end_one(16, 5, (kin(:parent))[1], 5);
select test.end_one(17, 6, (kin(:parent))[2], 2, '{"a": 2}');
select test.is('with any it goes on', 'z ready', (select stage || ' ' || state from penstock.job_state(:parent)));
select test.is('with what the others made', '2', message(:parent)::json->>'a');
select test.end_one(18, 7, :parent);
select test.is('the dead one can be replayed', 1, penstock.replay(array[(kin(:parent))[1]]));
select test.end_one(19, 5, (kin(:parent))[1]);
select test.is('and nothing waits for it', 'completed completed', test.state(:parent) || ' ' || test.state((kin(:parent))[1]));

select penstock.enqueue('r', '{"a": 1}') as parent \gset
select count(*) from test.claim(20, 1, 4);
select test.fork(20, 10);
select test.end_one(21, 5, (kin(:parent))[1], 2, '{"a": 1, "x": 1}');
select test.end_one(22, 6, (kin(:parent))[2], 5);
select test.is('with all it dies', 'dead', test.state(:parent));
select test.is('and says why', 'CHILD_FAILED 1 of its 2 children did not complete', (select code || ' ' || message from penstock.failure where job = :parent));
select test.clean();
select test.is('a replay of the job', 1, penstock.replay(array[:parent]));
select test.is('replays the branch, and waits for it again', 'waiting ready', test.state(:parent) || ' ' || test.state((kin(:parent))[2]));
select test.is('for it alone', 1, (select pending from penstock.waiting where job = :parent));
select test.clean();
select test.end_one(23, 6, (kin(:parent))[2], 5);
select test.is('which may fail again', 'dead', test.state(:parent));
select test.is('both are replayed together', 2, penstock.replay(array[:parent, (kin(:parent))[2]]));
select test.is('waiting again', 'waiting ready', test.state(:parent) || ' ' || test.state((kin(:parent))[2]));
select test.end_one(24, 6, (kin(:parent))[2], 2, '{"a": 1, "y": 2}');
select test.is('now it goes on', 'z ready', (select stage || ' ' || state from penstock.job_state(:parent)));
select test.is('with what both made', '{"a": 1, "x": 1, "y": 2}', (message(:parent)::jsonb)::text);
select test.clean();
select test.end_one(25, 7, :parent);

-- the branch alone is replayed, then the job
select penstock.enqueue('r', '{"a": 1}') as parent \gset
select count(*) from test.claim(26, 1, 4);
select test.fork(26, 10);
select test.end_one(27, 5, (kin(:parent))[1], 5);
select test.end_one(28, 6, (kin(:parent))[2], 5);
select penstock.replay(array[(kin(:parent))[1]]);
select test.end_one(29, 5, (kin(:parent))[1], 2, '{"a": 5}');
select test.is('one is given up', 1, penstock.purge(array[(kin(:parent))[2]]));
select test.is('then nothing is left to wait for', 1, penstock.replay(array[:parent]));
select test.is('and the job goes on with what there is', 'z 5', (select stage from penstock.job_state(:parent)) || ' ' || (message(:parent)::json->>'a'));
select test.end_one(30, 7, :parent);
select test.clean();

-- given up
select penstock.enqueue('r', '{"a": 1}') as parent \gset
select count(*) from test.claim(31, 1, 4);
select test.fork(31, 10);
select test.end_one(32, 5, (kin(:parent))[1], 5);
select test.end_one(33, 6, (kin(:parent))[2], 2);
select test.is('a job that died of a branch is purged', 1, penstock.purge(array[:parent]));
select test.is('with what was known of its branches', 0, (select count(*) from penstock.unjoined));
select test.clean();

-- with an ordering key: dead it loses its turn, replayed it waits for its branches, and then for its turn
select penstock.enqueue('r', '{"a": 1}', ordering_key => 'k') as parent \gset
select penstock.enqueue('r', '{"a": 2}', ordering_key => 'k') as next \gset
select penstock.give_turns(10);
select count(*) from test.claim(40, 10, 4);
select test.is('one of the two runs', :parent, lower(test.held(40)));
select test.fork(40, 10);
select test.is('it keeps its turn while it waits', 'waiting', test.state(:next));
select test.end_one(41, 5, (kin(:parent))[1], 5);
select test.end_one(42, 6, (kin(:parent))[2]);
select test.is('dead it has none', 'dead ready', test.state(:parent) || ' ' || test.state(:next));
select penstock.replay(array[:parent]);
select test.is('it waits for its branch', 1, (select count(*) from penstock.waiting where job = :parent));
select test.clean();
select test.end_one(43, 5, (kin(:parent))[1], 2, '{"a": 1, "x": 1}');
select test.is('then it has arrived again', 1, penstock.give_turns(10));
select test.is('and waits for its turn', 1, (select count(*) from penstock.ordered where job = :parent));
select test.clean();
select test.end_one(44, 4, :next);
select test.is('and goes on where its branches met', 'z ready', (select stage || ' ' || state from penstock.job_state(:parent)));
select test.is('with what they made', '1 2', (select j.n || ' ' || j.input_hop from penstock.parcel j where j.jobs @> :parent::bigint));
select test.end_one(45, 7, :parent);
select test.clean();
-- cancelled, or at its end, while it waits for branches again
select penstock.enqueue('r', '{}', ordering_key => 'k') as parent \gset
select penstock.give_turns(10);
select count(*) from test.claim(46, 10, 4);
select test.fork(46, 12);
select test.end_one(47, 5, (kin(:parent))[1], 5);
select test.end_one(48, 6, (kin(:parent))[2]);
select penstock.replay(array[:parent]);
select test.end_one(49, 5, (kin(:parent))[1], 5);
select penstock.replay(array[:parent]);
select test.end_one(50, 5, (kin(:parent))[1]);
select test.is('at the end it waits for nobody', 'completed', test.state(:parent));
select penstock.enqueue('r', '{}', ordering_key => 'k') as parent \gset
select penstock.give_turns(10);
select count(*) from test.claim(51, 10, 4);
select test.fork(51, 10);
select test.end_one(52, 5, (kin(:parent))[1], 5);
select test.end_one(53, 6, (kin(:parent))[2]);
select penstock.replay(array[:parent]);
select test.is('cancelled with its branch', 2, (select cancelled from penstock.cancel(array[:parent])));
select test.is('nothing is kept of its key', 0, (select count(*) from penstock.missed));
select test.clean();

-- what is too large together
select penstock.enqueue('r', '{"a": 1}') as parent \gset
select count(*) from test.claim(34, 1, 4);
select test.fork(34, 10);
select test.end_one(35, 5, (kin(:parent))[1], 2, json_build_object('x', repeat('x', 700000)));
select test.end_one(36, 6, (kin(:parent))[2], 2, json_build_object('y', repeat('y', 700000)));
select test.is('is a dead letter', 'dead JOIN_TOO_LARGE', test.state(:parent) || ' ' || (select code from penstock.failure where job = :parent));
select penstock.purge(array[:parent]);

-- ---- what is wrong is refused

select penstock.enqueue('r', '{"a": 1}') as parent \gset
select count(*) from test.claim(37, 1, 4);
select test.refused('branches without any', $$ select test.fork(37, 10, p_to => '{}') $$, 'PS002');
select test.refused('an unknown kind', $$ select test.fork(37, 14) $$, 'PS002');
select test.refused('children with the message of a job that does not wait so', $$ select test.fork(37, 6) $$, 'PS002');
select penstock.void_lease(test.token(37));
select test.clean();
