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

-- a set that says another size than it has
begin; update penstock.parcel set n = n + 1; select test.broken('every set has the size that it says'); rollback;
begin; update penstock.lease set n = n - 1; select test.broken('every set has the size that it says'); rollback;
begin; update penstock.parcel set bytes = -1; select test.broken('every set has the size that it says'); rollback;

-- a message that a stage stored is gone
begin; update penstock.parcel set input_hop = 1; select test.broken('every stored message is there'); rollback;

-- a dead letter that does not say why
begin; select test.settle(2, 5, test.held(2)); select test.broken('every dead letter has a reason'); rollback;

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
