-- SPDX-License-Identifier: BSD-2-Clause
-- A pipeline whose stages change keeps its lanes, and the jobs in them.
select test.world();
create function shape(p text) returns text
language sql as $$ select string_agg(stage || ' ' || position || ' ' || max_attempts, ', ' order by l.id)
                   from penstock.lane l join penstock.pipeline p on p.id = l.pipeline where p.name = shape.p $$;
create function lanes(p text, stages text[], most int[]) returns text
language plpgsql as $$
declare
	v_lanes int[] := penstock.register_pipeline(p, stages, most::smallint[]);
begin
	return (select string_agg(l.stage, ' ' order by o) from unnest(v_lanes) with ordinality as u(id, o) join penstock.lane l using (id));
end $$;

select test.is('as it was', 'a 0 3, b 1 3', shape('p'));
select test.is('again is nothing new', 'a b', lanes('p', '{a,b}', '{3,3}'));
select test.is('the numbers of the lanes stay', '1 2', (select string_agg(id::text, ' ' order by id) from penstock.lane where pipeline = 1));
select test.is('another order', 'b a', lanes('p', '{b,a}', '{3,4}'));
select test.is('positions and attempts follow', 'a 1 4, b 0 3', shape('p'));
select penstock.enqueue('p') as id \gset
select test.is('enqueued jobs go to the new first stage', 'b', (select stage from penstock.job_state(:id)));

-- a stage that is gone keeps its lane and jobs; nothing is enqueued into it
select test.is('only a new one', 'c', lanes('p', '{c}', '{1}'));
select test.is('the others stand aside', 'a -1 4, b -1 3, c 0 1', shape('p'));
select test.is('its job is there', 'b ready', (select stage || ' ' || state from penstock.job_state(:id)));
select penstock.enqueue('p') as id \gset
select test.is('new ones go on', 'c', (select stage from penstock.job_state(:id)));
select test.is('it comes back', 'b c', lanes('p', '{b,c}', '{3,3}'));
select test.is('with its place', 'a -1 4, b 0 3, c 1 3', shape('p'));
select test.is('the other pipeline is as it was', 'only 0 2', shape('q'));
select test.refused('a stage twice', $$ select lanes('p', '{a,a}', '{1,1}') $$, '21000');
select test.clean();

-- nothing is written when nothing changes: hosts that start together do not fight over rows
select xmin::text as before from penstock.lane where id = 2 \gset
select lanes('p', '{b,c}', '{3,3}');
select test.is('the row is the same', :'before', (select xmin::text from penstock.lane where id = 2));
