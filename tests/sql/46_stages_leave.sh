#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What a supervisor's hosts serve no more: jobs count wherever they are, unless another supervisor's host
# serves their stage; a pipeline is closed, unless another one's host serves it.
set -u
: "${top:?}" "${dsn:?}" # of run
cd "$top" || exit 1

text() { sed '/^--/d; s/;$//' "framework/sql/$1.sql"; }

{
	echo "prepare removed(text[], text[], uuid) as $(text queue_removed);"
	echo "prepare retire(text[], uuid) as $(text queue_retire);"
	echo "prepare serves(bigint, uuid, int[]) as $(text host_serves);"
	echo "prepare lanes(text, text[]) as $(text queue_lanes);"
	cat <<'END'
create function test.gives(what text, wanted text, statement text) returns void
language plpgsql as $$
declare
	v_row record;
	v_found text := '';
begin
	for v_row in execute statement loop
		v_found := v_found || v_row::text;
	end loop;
	perform test.is(what, wanted, v_found);
end $$;
select test.world();
execute serves(1, test.token(9), '{1,2,3}');

select test.gives('nothing is there', '', $$ execute removed('{p,p,q}', '{a,b,only}', test.token(9)) $$);
select test.put('p', 10);
select test.is('4 run', 4, (select n from test.claim(1, 4)));
select test.is('3 of them are deferred', 1, test.settle(1, 1, '{[1,4)}', delay_ms => 60000));
select penstock.enqueue('p', ordering_key => 'k') from generate_series(1, 3);
select test.gives('ready, running, deferred and waiting for a turn', '(p,a,13)', $$ execute removed('{p,p,q}', '{a,b,only}', test.token(9)) $$);
select test.gives('a stage that is not there has none', '', $$ execute removed('{p,x}', '{nothing,a}', test.token(9)) $$);
select test.gives('another host of ours does not count', '(p,a,13)', $$ execute removed('{p}', '{a}', test.token(9)) $$);
select test.gives('one of an unknown supervisor that serves nothing neither', '(p,a,13)', $$ execute removed('{p}', '{a}', test.token(9)) $$)
from penstock.host_register(gen_random_uuid(), 'old', 'machine', 2, '0', 0);

select penstock.host_register(gen_random_uuid(), 'two', 'machine', 3, '0', 0) as two \gset
execute serves(:two, test.token(8), '{2}');
select test.gives('another supervisor serves another stage', '(p,a,13)', $$ execute removed('{p}', '{a}', test.token(9)) $$);
execute serves(:two, test.token(8), '{1,2}');
select test.gives('it serves this one: nobody needs ours', '', $$ execute removed('{p}', '{a}', test.token(9)) $$);

execute retire('{p,q}', test.token(9));
select test.is('what another one serves stays open', '{0,1}', (select array_agg(position order by id)::text from penstock.lane where pipeline = 1));
select test.is('what only we did is closed', '-1', (select position::text from penstock.lane where id = 3));
select test.refused('it takes no jobs', $$ select penstock.enqueue('q') $$, 'PS003');
delete from penstock.host where id = :two;
execute retire('{p}', test.token(9));
select test.is('and when it is gone', '{-1,-1}', (select array_agg(position order by id)::text from penstock.lane where pipeline = 1));
select test.gives('their jobs are there', '(p,a,13)', $$ execute removed('{p}', '{a}', test.token(9)) $$);
select test.gives('lanes are found all the same', '(2)()(1)', $$ execute lanes('p', '{b,c,a}') $$);
END
} | run_sql
