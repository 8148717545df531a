-- SPDX-License-Identifier: BSD-2-Clause
-- Hosts that die, and what becomes of what they held.
select test.world();
select penstock.host_register(gen_random_uuid(), 'two', 'machine', 2, '0', 0) as two \gset
select test.put('p', 8);

-- a beat that moved is not reaped
select count(*) from test.claim(1, 8, host => :two);
update penstock.host set beat = beat + 1 where id = :two;
select test.is('its beat moved', 'false', penstock.host_reap(:two, 0)::text);
select test.is('nothing is lost yet', 0, penstock.void_lost_leases());
select test.is('its beat stands still', 'true', penstock.host_reap(:two, 1)::text);
select test.is('twice is nothing', 'false', penstock.host_reap(:two, 1)::text);

-- the set comes back halved, isolated and uncharged, until the guilty one runs alone
select test.is('eight are given back', 8, penstock.void_lost_leases());
select test.is('in halves', '4 4', (select string_agg(n::text, ' ' order by id) from penstock.parcel));
select test.is('isolated', '2 2', (select string_agg(hold::text, ' ') from penstock.parcel));
select test.is('uncharged', '0 0', (select string_agg(attempt::text, ' ') from penstock.parcel));
select test.clean();

create function die(t int) returns text
language plpgsql as $$
declare
	v_host bigint := penstock.host_register(gen_random_uuid(), 'x', 'machine', 3, '0', 0);
	v_lease penstock.lease;
begin
	select * into v_lease from test.claim(t, 100, host => v_host);
	perform penstock.host_reap(v_host, 0);
	perform penstock.void_lost_leases();
	return v_lease.n || ' ' || v_lease.attempt;
end $$;
select test.is('four die together', '4 1', die(2));
select test.is('the other four', '4 1', die(3));
select test.is('a pair', '2 1', die(4));
select test.clean();
-- one single job that dies alone is charged each time, and is dead at max_attempts (3)
delete from penstock.parcel; delete from penstock.job;
select (test.put('p', 1))[1] as id \gset
select test.is('a single job, not yet isolated, is not charged', '1 1', die(5));
select test.is('alone: attempt 1', '1 1', die(6));
select test.is('charged: attempt 2', '1 2', die(7));
select test.is('charged: attempt 3', '1 3', die(8));
select test.is('then it is dead', 'dead', test.state(:id));
select test.is('and says why', 'LOST LOST LOST', (select string_agg(code, ' ') from penstock.failure where job = :id));
select test.clean();

-- a host that leaves hands back uncharged and not isolated
select test.put('p', 4);
select count(*) from test.claim(9, 4, host => 1);
select test.is('handed back', 4, penstock.host_leave(1));
select test.is('as it was', '4 0 0', (select n || ' ' || attempt || ' ' || hold from penstock.parcel));

-- a boot that replaces one which died takes over at once
select penstock.host_register(gen_random_uuid(), 'old', 'machine', 4, '0', 0) as old \gset
select count(*) from test.claim(10, 4, host => :old);
select penstock.host_register(gen_random_uuid(), 'new', 'machine', 5, '0', :old) as new \gset
select test.is('the old one is gone', 0, (select count(*) from penstock.host where id = :old));
select test.is('and holds nothing', 0, (select count(*) from penstock.lease));
select test.clean();

-- a job that is named is charged and isolated, and nobody else
delete from penstock.parcel; delete from penstock.job where id not in (select id from penstock.jobs);
select (test.put('p', 5))[3] as guilty \gset
select count(*) from test.claim(11, 5, host => :new);
select test.is('blamed', 'true', penstock.blame_job(test.token(11), :guilty, 2, 'CRASHED', 'signal 11')::text);
select test.is('alone, charged; the others uncharged', '1 2 1, 4 0 0', (select string_agg(n || ' ' || hold || ' ' || attempt, ', ' order by n) from penstock.parcel));
select test.is('the stage is told', 'b CRASHED', (select l.stage || ' ' || f.code from penstock.failure f join penstock.lane l on l.id = f.lane where f.job = :guilty));
select test.is('once', 'false', penstock.blame_job(test.token(11), :guilty, 2, 'CRASHED', 'signal 11')::text);
select test.clean();
