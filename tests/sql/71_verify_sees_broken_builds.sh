#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Functions of the queue with one line broken: a short life of some jobs, and verify must see it.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" # of run
cd "$top" || exit 1

# A life with each road: claims with splits, settlements in parts, a retry, a dead host, a wake.
life() {
	# after each step a look: what is wrong may be gone again at the end
	sed 's/$/\nselect '\''violations '\'' || coalesce(sum(violations), 0) from penstock.verify();/' <<-'END' | run_sql
		select test.world();
		select test.put('p', 25);
		select penstock.enqueue('p') from generate_series(1, 5);
		select count(*) from test.claim(1, 10);
		select test.settle(1, 2, '{[1,6)}');
		select test.settle(1, 0, '{[6,9)}', 2, hop => 1);
		select test.settle(1, 1, '{[9,11)}', attempt => 1);
		update penstock.deferred set run_at = now();
		select * from penstock.wake(10);
		select penstock.host_register(gen_random_uuid(), 'two', 'machine', 2, '0', 0) as two \gset
		select count(*) from test.claim(2, 8, host => :two);
		select penstock.host_reap(:two, 0);
		select penstock.void_lost_leases();
		select count(*) from test.claim(3, 4);
		select penstock.void_lease(test.token(3));
		select count(*) from test.claim(5, 3);
		select * from penstock.cancel(array[(select lower(test.held(5))), (select upper(p.jobs) - 1 from penstock.parcel p where p.n > 2 limit 1)]);
		select test.settle(5, 0, test.held(5));
		select count(*) from test.claim(6, 3);
		insert into penstock.failure (job, lane, attempt, code, message, release) select g, 1, 1, 'X', '', '' from unnest(test.held(6)) r, generate_series(lower(r), upper(r) - 1) g;
		select test.settle(6, 5, test.held(6));
		select penstock.replay(array[(select lower(jobs) from penstock.dead)]);
		select penstock.enqueue_many('q', array_fill('{}'::json, array[4]), ordering_keys => '{k,k,k,l}') is null;
		select penstock.cancel(array[(select lower(jobs) + 1 from penstock.arrival)]);
		select penstock.give_turns(10);
		select count(*) from test.claim(8, 1, 3);
		select test.settle(8, 2, test.held(8), 3);
		select count(*) from test.claim(14, 2, 3);
		select test.settle(14, 2, test.held(14), 3);
		select penstock.enqueue('q');
		select count(*) from test.claim(9, 1, 3);
		select test.split(9, 8, 2, 3);
		select count(*) from test.claim(10, 10, 3);
		select test.settle(10, 2, test.held(10), 3);
		select (penstock.register_pipeline('s', '{only}', '{3}', p_limit_key => '{of}', p_max_per_key => '{1}'))[1] as keyed \gset
		select penstock.enqueue_many('s', array_fill('{"of": "x"}'::json, array[4])) is null;
		select count(*) from test.claim(11, 100, :keyed);
		select penstock.enqueue('s', '{"of": "x"}');
		select count(*) from test.claim(12, 100, :keyed);
		select penstock.cancel((select array_agg(lower(jobs) + 1) from penstock.parked));
		select test.settle(11, 3, test.held(11), :keyed);
		select count(*) from test.claim(13, 100, :keyed);
		select test.settle(13, 3, test.held(13), :keyed);
		select l[1] as fork, l[2] as fx, l[3] as fy from penstock.register_pipeline('f', '{s,x,y}', '{3,3,3}') l \gset
		select penstock.enqueue('f', '{}', 'a body') as forked \gset
		select count(*) from test.claim(20, 1, :fork);
		select test.fork(20, 10, p_to => array[:fx, :fy], p_then => :fy);
		select count(*) from test.claim(21, 1, :fx);
		select test.make(21, :fx, lower(test.held(21)), 5);
		select count(*) from test.claim(22, 1, :fy);
		select test.make(22, :fy, lower(test.held(22)), 2, '{"made": true}');
		select penstock.replay(array[:forked]);
		select count(*) from test.claim(23, 1, :fx);
		select test.make(23, :fx, lower(test.held(23)));
		select count(*) from test.claim(24, 1, :fy);
		select test.settle(24, 2, test.held(24), :fy, hop => 2);
		select count(*) from test.claim(4, 100);
		select test.settle(4, 3, test.held(4));
		select penstock.pack(1, 100);
	END
}
clean() { ! grep -qE '^violations [1-9]' "$work/life"; }

base=$dsn
fresh() { # a copy of the template for each build
	psql -X -q -d "${base/dbname=*/dbname=postgres}" -c 'drop database if exists mutant' -c 'create database mutant template ready'
	dsn=${base/dbname=*/dbname=mutant}
	export dsn
}

# mutant FILE 'sed expression' WHAT
mutant() {
	local text
	fresh
	text=$(sed "$2" "framework/sql/api/$1.sql")
	if [ "$text" = "$(cat "framework/sql/api/$1.sql")" ]; then
		echo "$3: the expression changes nothing in $1.sql"
		return 1
	fi
	printf '%s\n' "$text" | run_sql > /dev/null || { echo "$3: does not load"; return 1; }
	life > "$work/life" 2>&1
	if clean; then
		# a build that refuses to go on did not lose anything, but it was not caught by verify either
		echo "$3: verify is clean"
		tail -n 3 "$work/life"
		return 1
	fi
	echo "$3: seen"
}

status=0
fresh
life > "$work/life" 2>&1 || { echo 'the life itself fails'; cat "$work/life"; exit 1; }
clean || { echo 'the unbroken build is not clean'; exit 1; }

mutant 30_claim 's/delete from penstock.parcel p using pick/update penstock.parcel p set n = p.n from pick/' 'a claim that does not take what it leases' || status=1
mutant 30_claim 's/p.jobs \* int8multirange(int8range(cut.at, null))/p.jobs/' 'a split that leaves the whole' || status=1
mutant 30_claim 's/p.jobs \* int8multirange(int8range(cut.at, null))/p.jobs * int8multirange(int8range(cut.at + 1, null))/' 'a split that drops a job' || status=1
mutant 30_claim 's/set n = p.n - cut.take/set n = p.n/' 'a split that forgets to count' || status=1
mutant 40_settle 's/set jobs = l.jobs - v_all/set jobs = l.jobs/' 'a part that stays in the lease' || status=1
mutant 40_settle 's/where u.kind = 1 and/where u.kind = 9 and/' 'a retry that goes nowhere' || status=1
mutant 40_settle 's/where u.kind in (2, 3, 4);/where u.kind in (2, 4);/' 'a discard that goes nowhere' || status=1
mutant 40_settle 's/if 0 = any (p_kind) then/if true then/; s/where u.kind = 0 and/where u.kind in (0, 2) and/' 'a completed job that is ready again' || status=1
mutant 46_order 's/perform penstock.turns_ended(/perform concat(/' 'an end that keeps its turn' || status=1
mutant 46_order 's/delete from penstock.ordered o using turned t where \(.*\) returning o.\*/select o.* from penstock.ordered o, turned t where \1/' 'a turn that is given and kept' || status=1
mutant 46_order 's/delete from penstock.arrival a where a.id = any/select from penstock.arrival a where a.id = any/' 'a job that is placed and arrives again' || status=1
mutant 46_order 's/fate f where f.fate = .waits.$/fate f where false/' 'a job that waits nowhere' || status=1
mutant 65_life 's/perform penstock.end_jobs(v_arrival.lane/perform penstock.cardinality(v_arrival.jobs); -- (/' 'a job that is cancelled before a look into nowhere' || status=1
mutant 47_key_limits 's/k.o > p_lane.max_per_key/k.o > p_lane.max_per_key + 1/' 'a key that runs one more' || status=1
mutant 47_key_limits 's/v_stay := v_lease.jobs - v_parked;/v_stay := v_lease.jobs;/' 'a job that is parked and runs' || status=1
mutant 47_key_limits 's/update penstock.parked p set jobs = p.jobs - v_jobs, n = p.n - v_n/update penstock.parked p set n = p.n/' 'a parked job that is ready and stays' || status=1
mutant 47_key_limits 's/where l.lane = p_lane and (l.job_keys is not null or l.key_most > 0)/where false/' 'a claim that does not see what runs' || status=1
mutant 65_life 's/perform penstock.end_jobs(v_parked.lane/perform penstock.cardinality(v_parked.jobs); -- (/' 'a parked job that is cancelled into nowhere' || status=1
mutant 45_children 's/set pending = w.pending - v_ended.n,/set pending = w.pending,/' 'a parent that does not count' || status=1
mutant 45_children 's/	delete from penstock.waiting w where w.job in .*;/	null;/' 'a parent that goes on and waits' || status=1
mutant 45_children 's/insert into penstock.child (job, parent) select b.id, b.parent from branch b$/select 1/' 'a branch that its job does not wait for' || status=1
mutant 45_children 's/case when o.body is not null then b.parent when o.job is null then .*,$/b.id,/' 'a branch whose body is nowhere' || status=1
mutant 45_children 's/d.bytes + coalesce(octet_length(m.made::text), 0), d.since/-1, d.since/' 'a join that counts wrongly' || status=1
mutant 45_children 's/insert into penstock.child (job, parent) values (v_branch, p_was.job);/null;/' 'a replayed job that its branch does not know' || status=1
mutant 65_life 's/delete from penstock.unjoined u where v_joins @> u.job returning/select/; s/select u.\* loop/select u.* from penstock.unjoined u where v_joins @> u.job loop/' 'a replayed job that is still known as dead' || status=1
mutant 40_settle 's/p_jobs\[i\] := p_jobs\[i\] - v_cancel;/null;/' 'a cancelled job that goes on' || status=1
mutant 65_life 's/set jobs = p.jobs - p_jobs, n = p.n - v_n/set jobs = p.jobs - p_jobs/' 'a cancel that forgets to count' || status=1
mutant 65_life 's/perform penstock.end_jobs(v_parcel.lane/perform penstock.cardinality(v_parcel.jobs); -- (/' 'a cancelled job that is nowhere' || status=1
mutant 65_life 's/set jobs = d.jobs - p_jobs, n = d.n - v_n/set n = d.n/' 'a dead letter that is replayed and kept' || status=1
mutant 50_hosts 's/	delete from penstock.lease l where l.token = p_lease.token;/	null;/' 'a lost lease that is kept' || status=1
mutant 50_hosts 's/(p_lease.jobs \* int8multirange(int8range(v_at, null)))/(p_lease.jobs * int8multirange(int8range(null, v_at)))/' 'a lost lease whose first half comes back twice' || status=1
mutant 60_wake_pack 's/sum(p.n), sum(p.bytes), penstock.union_agg(p.jobs)/sum(p.n) + 1, sum(p.bytes), penstock.union_agg(p.jobs)/' 'a wake that counts wrongly' || status=1
dsn=$base
exit $status
