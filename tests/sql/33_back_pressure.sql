-- SPDX-License-Identifier: BSD-2-Clause
-- Back-pressure: a full queue holds the stages before it, and says so at enqueue.
create function lanes() returns text language sql as
	$$ select string_agg(case when full_since is not null then 'full' when held_since is not null then 'held' else '-' end, ' ' order by position) from penstock.lanes where pipeline = 'p' $$;
select test.is('lanes', '{1,2,3}', penstock.register_pipeline('p', '{a,b,c}', '{3,3,3}', p_max_ready => array[1000, null, 10], p_refuses => '{1,0,0}')::text);
select test.is('host', 1, penstock.host_register(gen_random_uuid(), 'one', 'machine', 1, '0', 0));

select test.put('p', 30);
select count(*) from test.claim(1, 9);
select test.settle(1, 0, test.held(1), 3, hop => 1);
select penstock.watch('{1,2,3}');
select test.is('nine of ten: open', '- - -', lanes());
select count(*) from test.claim(2, 5);
select test.settle(2, 0, test.held(2), 3, hop => 1);
select penstock.watch('{1,2,3}');
select test.is('full: those before it are held', 'held held full', lanes());
select test.is('no claim', 0, (select count(*) from test.claim(3, 5)));
select test.is('nor a sight', 0, (select count(*) from penstock.lane_scan('{1,2}')));
select test.is('itself is worked off', 5, (select n from test.claim(4, 5, 3)));
select penstock.watch('{1,2,3}');
select test.is('nine left: still full', 'held held full', lanes());
select test.settle(4, 2, test.held(4), 3);
select count(*) from test.claim(5, 2, 3);
select penstock.watch('{1,2,3}');
select test.is('seven: open again', '- - -', lanes());
select test.is('claimed', 3, (select n from test.claim(6, 3)));

-- enqueue: refuses, or warns
select test.put('p', 1000);
select test.is('not known before a host looked', 'ready', test.state(penstock.enqueue('p')));
select penstock.watch('{1}');
select test.is('full', 'full - -', lanes());
select test.refused('one', $$ select penstock.enqueue('p') $$, 'PS005', 'in front of stage ''a'' is full');
select test.refused('many', $$ select penstock.enqueue_many('p', array['{}']::json[]) $$, 'PS005', 'full');
select test.refused('copied', $$ select penstock.schedule_copied(1, 0::smallint, '{1}', '{0}', array['{[1,2)}']::int8multirange[]) $$, 'PS005', 'full');
select penstock.register_pipeline('p', '{a,b,c}', '{3,3,3}', p_max_ready => array[1000, null, 10]);
select test.is('warned only', 'ready', test.state(penstock.enqueue('p')));
select penstock.register_pipeline('p', '{a,b,c}', '{3,3,3}');
select penstock.watch('{1}');
select test.is('no limit any more', '- - -', lanes());
select test.clean();
