-- SPDX-License-Identifier: BSD-2-Clause
-- Each invariant is seen broken, and whole again.
select test.world();
select test.put('p', 30);
select count(*) from test.claim(1, 10);
select count(*) from test.claim(2, 5);
select test.settle(1, 2, test.held(1));
select test.clean();

-- a job in no set
begin; delete from penstock.parcel where lane = 1; select test.broken('no job is lost'); rollback;
begin; delete from penstock.settled; select test.broken('no job is lost'); rollback;
begin; update penstock.lease set jobs = jobs - '{[11,12)}', n = n - 1; select test.broken('no job is lost'); rollback;

-- a job in two sets
begin; insert into penstock.parcel (lane, priority, n, bytes, jobs) values (1, 0, 1, 0, '{[20,21)}'); select test.broken('every job is in one place only'); rollback;
begin; insert into penstock.parcel (lane, priority, n, bytes, jobs) values (1, 0, 10, 0, '{[1,11)}'); select test.broken('every job is in one place only'); rollback;
begin; insert into penstock.dead (lane, priority, attempt, hop, input_hop, n, bytes, jobs) values (1, 0, 1, 0, 0, 1, 0, '{[11,12)}'); select test.broken('every job is in one place only'); rollback;
begin; insert into penstock.deferred (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs, run_at) values (1, 0, 0, 0, 0, 0, 1, 0, '{[2,3)}', now()); select test.broken('every job is in one place only'); rollback;

-- an id that is no job
begin; insert into penstock.parcel (lane, priority, n, bytes, jobs) values (1, 0, 1, 0, '{[900,901)}'); select test.broken('nothing is held that is not a job'); rollback;
begin; delete from penstock.job where id = 5; select test.broken('nothing is held that is not a job'); rollback;

-- a job that is taken over to another place, and not taken away: each pair of places
create temp table taken as select '{[16,17)}'::int8multirange as jobs;
begin; insert into penstock.lease (token, host, lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs) select test.token(9), 1, 1, 0, 1, 0, 0, 0, 1, 0, jobs from taken; select test.broken('every job is in one place only'); rollback;
begin; insert into penstock.settled (block, lane, outcome, n, jobs) select 0, 1, 2, 1, jobs from taken; select test.broken('every job is in one place only'); rollback;
begin; insert into penstock.settled (block, lane, outcome, n, jobs) values (0, 1, 3, 1, '{[1,2)}'); select test.broken('every job is in one place only'); rollback;
-- one too many and one too few do not make up for each other
begin; update penstock.parcel set jobs = jobs - '{[20,21)}' + '{[900,901)}';
select test.broken('no job is lost'); select test.broken('nothing is held that is not a job'); rollback;
begin; update penstock.parcel set jobs = jobs - '{[20,21)}' + '{[2,3)}';
select test.broken('no job is lost'); select test.broken('every job is in one place only'); rollback;

-- a set that says another size than it has
begin; update penstock.parcel set n = n + 1; select test.broken('every set has the size that it says'); rollback;
begin; update penstock.lease set n = n - 1; select test.broken('every set has the size that it says'); rollback;
begin; update penstock.parcel set bytes = -1; select test.broken('every set has the size that it says'); rollback;

-- a message that a stage stored is gone
begin; update penstock.parcel set input_hop = 1; select test.broken('every stored message is there'); rollback;

begin;
select penstock.settle(test.token(2), '{0}', '{2}', '{0}', '{1}', '{1}', '{0}', '{0}', '{0}', array[test.held(2)],
	'{11,12,13,14,15}', '{1,1,1,1,1}', array_fill('{}'::json, array[5]), array_fill(null::bytea, array[5]), '{}', '{}', '{}', '{}', '{}', '{}');
select test.clean();
delete from penstock.output where job = 13;
select test.broken('every stored message is there');
rollback;

-- what belongs to no job
begin; insert into penstock.output (job, hop, attributes) values (900, 1, '{}'); select test.broken('nothing is stored for a job that is not there'); rollback;
begin; insert into penstock.failure (job, lane, attempt, code, message, release) values (900, 1, 1, 'X', '', ''); select test.broken('nothing is stored for a job that is not there'); rollback;

-- a dead letter that does not say why
begin; select test.settle(2, 5, test.held(2)); select test.broken('every dead letter has a reason'); rollback;

begin; select test.settle(2, 5, '{[11,13)}'); select test.broken('every dead letter has a reason');
insert into penstock.failure (job, lane, attempt, code, message, release) values (11, 1, 1, 'X', '', '');
select test.broken('every dead letter has a reason');
insert into penstock.failure (job, lane, attempt, code, message, release) values (12, 1, 1, 'X', '', '');
select test.clean(); rollback;

-- a body that is shared with nothing; a job that is to wait again and is not dead
begin; update penstock.job set body_job = 4, body_hop = 0 where id = (select max(id) from penstock.job); select test.broken('every body that a job shares is there'); rollback;
begin; insert into penstock.unjoined (job, lane, priority, hop, input_hop, bytes, children, any_end, last, branches)
select max(id), 1, 0, 0, 0, 0, 2, false, false, '{1,2}' from penstock.job; select test.broken('what died of its branches is dead'); rollback;

-- a set in a lane that is not there: no worker comes by, no view shows it
begin; select test.settle(2, 0, test.held(2), 77); select test.broken('every set is in a lane that is there'); rollback;
begin; update penstock.lease set lane = 77; select test.broken('every set is in a lane that is there'); rollback;
begin; update penstock.settled set lane = 77; select test.broken('every set is in a lane that is there'); rollback;

-- more attempts than there may be
begin; update penstock.parcel set attempt = 4; select test.broken('attempts are within their limits'); rollback;

-- a lease that nobody will end
begin; update penstock.lease set host = 99, taken_at = now() - interval '1 hour'; select test.broken('nothing runs for a host that is gone'); rollback;

-- an index that is not valid
begin; update pg_index set indisvalid = false where indexrelid = 'penstock.deferred_due'::regclass; select test.broken('every index is valid'); rollback;

-- no room for more ids
select setval('penstock.job_id', 40 << 24);
select test.broken('there is room for more job ids');
select setval('penstock.job_id', 30);

select test.clean();
