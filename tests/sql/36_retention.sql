-- SPDX-License-Identifier: BSD-2-Clause
-- Blocks are dropped whole, when all in them ended long ago; few that live are carried over.
select test.world();
create function age() returns void language sql as
	$$ update penstock.job set created_at = now() - interval '10 days'; update penstock.settled set at = now() - interval '8 days' $$;

select test.put('p', 100);
select test.is('young: the block goes on', 'false', penstock.close_block('1 hour')::text);
update penstock.job set created_at = now() - interval '10 days';
select test.is('old: it is closed', 'true', penstock.close_block('1 hour')::text);
select test.is('once', 'false', penstock.close_block('1 hour')::text);
select penstock.enqueue('p') as next \gset
select test.is('ids go on in the next block', 1, (:next >> penstock.block_bits())::bigint);
select test.clean();

select test.is('what lives stays', null, penstock.drop_block('7 days')::text);
select count(*) from test.claim(1, 100);
select test.settle(1, 2, int8multirange(int8range(1, 91)));
insert into penstock.output (job, hop, attributes) values (95, 1, '{"kept": 1}'), (5, 1, '{}');
select test.is('what ended lately stays', null, penstock.drop_block('7 days')::text);
select age();
select test.is('a retention of nothing drops nothing', null, penstock.drop_block('0')::text);
select test.is('ninety go', 90, penstock.drop_block('7 days'));
select test.is('ten are carried over', 11, (select count(*) from penstock.job));
select test.is('with what belongs to them', 1, (select count(*) from penstock.output));
select test.is('the running ones still run', '{[91,101)}', test.held(1)::text);
select test.is('what went is counted', 90, (select n from penstock.total where lane = 1 and outcome = 2));
select test.clean();
select test.is('nothing more to drop', null, penstock.drop_block('7 days')::text);
select test.settle(1, 3, test.held(1));
select test.is('the last ones settle in the new block', 10, (select n from penstock.settled));
select age();
select test.is('then they go', 10, penstock.drop_block('7 days'));
select test.is('the block is gone', null, to_regclass('penstock.job_0')::text);
select test.is('both outcomes are counted', 100, (select sum(n) from penstock.total)::bigint);
select test.is('the job of today is there', 'ready', test.state(:next));
select test.clean();

-- a dead letter is kept as long as it is one
select test.put('q', 3);
select count(*) from test.claim(2, 3, 3);
select test.settle(2, 5, int8multirange(int8range(lower(test.held(2)), lower(test.held(2)) + 1)), 3);
select test.settle(2, 2, test.held(2), 3);
insert into penstock.failure (job, lane, attempt, code, message, release) select lower(jobs), lane, 1, 'X', '', '' from penstock.dead;
select count(*) from test.claim(3, 3, 1);
select test.settle(3, 2, test.held(3));
update penstock.job set created_at = now() - interval '10 days';
select test.is('closed', 'true', penstock.close_block('1 hour')::text);
select penstock.make_blocks();
select age();
select test.is('three go', 3, penstock.drop_block('7 days'));
select test.is('the dead letter is there', 'dead', (select test.state(lower(jobs)) from penstock.dead));
select test.is('with its reason', 1, (select count(*) from penstock.failure));
select test.clean();

-- a body that a branch shares, and that outlives the job whose it is
select test.is('lanes of r', '{4,5,6,7}', penstock.register_pipeline('r', array['s', 'x', 'y', 'z'], array[3, 3, 3, 3]::smallint[])::text);
select penstock.enqueue('r', '{}', 'kept') as parent \gset
select count(*) from test.claim(20, 1, 4);
update penstock.job set created_at = now() - interval '10 days';
select penstock.close_block('1 hour'), penstock.make_blocks();
select penstock.settle(test.token(20), '{11}', '{7}', '{0}', '{1}', '{0}', '{0}', '{0}', '{4}', array[test.held(20)], '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
                       '{}', '{}', array[:parent, :parent], '{5,6}', array[null, null]::json[], array[null, null]::bytea[]);
select test.is('its branches are in the next block', 1, (select count(distinct id >> penstock.block_bits()) - count(*) filter (where id >> penstock.block_bits() = :parent >> penstock.block_bits()) from penstock.job where parent = :parent));
select count(*) from test.claim(21, 1, 5);
select test.settle(21, 5, test.held(21), 5);
insert into penstock.failure (job, lane, attempt, code, message, release) select lower(jobs), 5, 1, 'X', '', '' from penstock.dead;
select count(*) from test.claim(22, 1, 6);
select test.settle(22, 2, test.held(22), 6);
select count(*) from test.claim(23, 1, 7);
select test.settle(23, 2, test.held(23), 7);
select age();
select test.is('the job goes', 1, penstock.drop_block('7 days'));
select test.is('its body stays with the branch that is dead', 'kept', (select convert_from(j.body, 'utf8') from penstock.dead d join penstock.job j on d.jobs @> j.id where d.lane = 5));
select test.clean();
select penstock.purge(array(select lower(jobs) from penstock.dead));
