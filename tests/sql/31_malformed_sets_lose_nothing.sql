-- SPDX-License-Identifier: BSD-2-Clause
-- A settlement that does not say for each set where it goes is refused: it would end the lease, and the jobs be nowhere.
select test.world();
select test.put('p', 10);
select count(*) from test.claim(1, 10);

-- a settlement of two sets, with all that can be wrong with them
create function two(kinds smallint[], first int8multirange default '{[1,6)}', second int8multirange default '{[6,11)}', failed bigint default 1) returns int
language sql as $$
	select penstock.settle(test.token(1), kinds, array[1, 1], array[0, 0]::bigint[], array[0, 0]::smallint[], array[0, 0]::smallint[], array[0, 0]::smallint[],
		array[0, 0]::smallint[], array[0, 0]::bigint[], array[first, second], '{}', '{}', '{}', '{}',
		array[failed], array[1], array[1]::smallint[], array['TEST'], array['why'], array['r'])
$$;
select test.refused('a kind that there is not', $$ select two('{2,14}') $$, 'PS002', 'kind');
select test.refused('a negative kind', $$ select two('{-1,2}') $$, 'PS002', 'kind');
select test.refused('a null kind', $$ select two('{2,null}') $$, 'PS002', 'kind');
select test.refused('fewer kinds than sets', $$ select two('{2}') $$, 'PS002', 'kind');
select test.refused('more kinds than sets', $$ select two('{2,2,2}') $$, 'PS002', 'kind');
select test.refused('no kinds', $$ select two('{}') $$, 'PS002', 'kind');
select test.refused('one set is empty', $$ select two('{2,0}', '{[1,11)}', '{}') $$, 'PS002', 'kind');
select test.refused('an empty one that completes', $$ select two('{2,2}', '{[1,11)}', '{}') $$, 'PS002', 'kind');
select test.refused('one set is null', $$ select two('{2,2}', '{[1,11)}', null) $$, 'PS002', 'kind');
select test.refused('a set without an end', $$ select two('{2,2}', '{[1,6)}', '{[6,)}') $$, 'PS002');
select test.refused('a set without a beginning', $$ select two('{2,2}', '{(,6)}') $$, 'PS002');
select test.refused('a failure of a job outside the sets', $$ select two('{2,2}', failed => 11) $$, 'PS002', 'failure');
select test.refused('a delay that is null', $$ select test.settle(1, 1, '{[1,11)}', delay_ms => null) $$, '23502');
select test.is('nothing was written', 0, (select count(*) from penstock.settled) + (select count(*) from penstock.failure) + (select count(*) from penstock.parcel));
select test.is('the lease holds all of them', '{[1,11)} 10', (select jobs || ' ' || n from penstock.lease));
select test.clean();

-- the good one
select test.is('settled', 0, two('{2,5}', failed => 6));
select test.is('here', 'completed', test.state(1));
select test.is('and there', 'dead', test.state(6));
