#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The races of READ COMMITTED that no interleaving of whole statements shows: a statement has taken its
# snapshot, another one commits, and then the first reads and locks rows of which a newer version exists.
# test.gate() holds it just there: a shared advisory lock that the other session has until it is done.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" # of run
run_sql -c 'select test.world()' > /dev/null || exit 1
run_sql <<-'END' || exit 1
	create function test.gate() returns boolean language plpgsql as $$
	begin
		perform pg_advisory_xact_lock_shared(77);
		return true;
	end $$;
	-- the same functions with a gate where they begin to read
	create function test.gated(f regproc, place text) returns void language plpgsql as $$
	declare
		v_text text := pg_get_functiondef(f);
		v_gated text := replace(v_text, place, place || ' and (select test.gate())');
	begin
		perform test.is('places for a gate in ' || f, 1, (length(v_gated) - length(v_text)) / length(' and (select test.gate())'));
		execute v_gated;
	end $$;
	select test.gated('penstock.claim_take', 'p.priority = h.priority and p.id >= h.id');
	select test.gated('penstock.wake', 'where d.run_at <= clock_timestamp()');
	select test.gated('penstock.pack', 'and p.hold = 0 and p.n <= 50');
	select test.gated('penstock.void_lost_leases', 'where not exists (select from penstock.host h where h.id = l.host)');
END

. "$top/tests/sql/sessions.sh"
session a
session b
shut() { ask b 'select pg_advisory_lock(77)' > /dev/null; }
open() { ask b 'select pg_advisory_unlock(77)' > /dev/null; }
new_host() { run_sql -c "select penstock.host_register(gen_random_uuid(), 'x', 'm', 1, '0', 0)"; }

# ---- a claim reads a parcel that another claim has split: it takes from what is left
run_sql -c "select test.put('p', 100)" > /dev/null
shut
send a 'select jobs from test.claim(1, 10)'
blocked a || failed=1
is 'the other is first' '{[1,11)}' "$(ask b 'select jobs from test.claim(2, 10)')"
open
is 'and this one takes the next' '{[11,21)}' "$(answer a)"
is 'what is left' '80' "$(run_sql -c 'select sum(n) from penstock.parcel')"
clean 'a claim behind a split'

# ---- it takes all that a split left
shut
send a 'select jobs from test.claim(3, 100)'
blocked a || failed=1
is 'five more' '{[21,26)}' "$(ask b 'select jobs from test.claim(4, 5)')"
open
is 'the rest, whole' '{[26,101)}' "$(answer a)"
is 'nothing is left' '' "$(run_sql -c 'select sum(n) from penstock.parcel')"
clean 'a claim of the rest behind a split'

# ---- a claim reads a parcel that another has taken whole
run_sql -c "select test.put('p', 10)" -c "select test.put('p', 5)" > /dev/null
shut
send a 'select jobs from test.claim(5, 100)'
blocked a || failed=1
is 'one parcel' '{[101,111)}' "$(ask b 'select jobs from test.claim(6, 10)')"
open
is 'the other parcel' '{[111,116)}' "$(answer a)"
clean 'a claim behind a claim'

# ---- what another gives back or adds meanwhile is for the next claim
run_sql -c "select test.put('p', 3)" > /dev/null
shut
send a 'select jobs from test.claim(7, 100)'
blocked a || failed=1
is 'given back' '10' "$(ask b 'select penstock.void_lease(test.token(6))')"
open
is 'not seen' '{[116,119)}' "$(answer a)"
is 'but by the next' '{[101,111)}' "$(ask a 'select jobs from test.claim(8, 100)')"
clean 'a claim beside a void'

# ---- two wakes of the same sets
run_sql -c "select penstock.enqueue('q', run_at => now() + interval '1 hour') from generate_series(1, 10)" \
	-c "update penstock.deferred set run_at = now()" > /dev/null
shut
send a 'select jobs from penstock.wake(10)'
blocked a || failed=1
is 'three are woken before' '3' "$(ask b 'select jobs from penstock.wake(3)')"
open
is 'then the other seven' '7' "$(answer a)"
is 'and nothing twice' '10' "$(run_sql -c 'select sum(n) from penstock.parcel where lane = 3')"
clean 'two wakes'

# ---- pack reads parcels that are taken, or grew, meanwhile
run_sql -c "delete from penstock.parcel; delete from penstock.lease; delete from penstock.job" \
	-c "select penstock.enqueue('q') from generate_series(1, 1000)" -c "select test.put('q', 40) from generate_series(1, 20)" > /dev/null
shut
send a 'select fewer from penstock.pack(3, 5000)'
blocked a || failed=1
is 'the head and ten parcels behind it, and a part of one' '1410' "$(ask b 'select n from test.claim(9, 1410, 3, most => 5000)')"
open
is 'the ten that are left, whole and in part, become one' '9' "$(answer a)"
is 'none is lost' '1 390' "$(run_sql -c "select count(*) || ' ' || sum(n) from penstock.parcel where lane = 3")"
clean 'pack behind a claim'

# ---- a dead host's lease, of which a part is settled meanwhile: the rest is given back
host=$(new_host)
run_sql -c "select test.put('p', 8)" -c "select n from test.claim(10, 8, host => $host)" -c "select penstock.host_reap($host, 0)" > /dev/null
first=$(run_sql -c 'select lower(jobs) from penstock.lease where token = test.token(10)')
shut
send a 'select penstock.void_lost_leases()'
blocked a || failed=1
is 'three are settled in the last moment' '5' "$(ask b "select test.settle(10, 2, int8multirange(int8range($first, $((first + 3)))))")"
open
is 'five are given back' '5' "$(answer a)"
clean 'reap behind a settlement in parts'

# ---- a dead host's claim that commits after its leases were given back: the next sweep finds it
host=$(new_host)
run_sql -c "delete from penstock.parcel where lane = 1; delete from penstock.job j where j.id >= $((first + 3)) and j.id < $((first + 8))" \
	-c "select test.put('p', 4)" > /dev/null
ask a 'begin' > /dev/null
is 'a claim in flight' '4' "$(ask a "select n from test.claim(11, 4, host => $host)")"
is 'its host is taken for dead' 't' "$(ask b "select penstock.host_reap($host, 0)")"
is 'there is nothing to see' '0' "$(ask b 'select penstock.void_lost_leases()')"
ask a 'commit' > /dev/null
is 'now there is' '4' "$(ask b 'select penstock.void_lost_leases()')"
clean 'a late claim of a dead host'

# ---- two parts of one lease are settled at once: the second waits, and both count
run_sql -c "select test.put('p', 10, -1)" -c "select n from test.claim(12, 10)" > /dev/null
first=$(run_sql -c 'select lower(jobs) from penstock.lease where token = test.token(12)')
for end in commit rollback; do
	ask a 'begin' > /dev/null
	is 'one part' "$([ $end = commit ] && echo 7 || echo 2)" "$(ask a "select test.settle(12, 2, int8multirange(int8range($first, $((first + 3)))))")"
	send b "select test.settle(12, 3, int8multirange(int8range($((first + 3)), $((first + 5)))))"
	blocked b || failed=1
	ask a "$end" > /dev/null
	is "another part, after the first one's $end" "$([ $end = commit ] && echo 5 || echo 3)" "$(answer b)"
	first=$((first + 5))
done
clean 'two parts'

# ---- a lease is given back while it is settled: there is nothing left to give
ask a 'begin' > /dev/null
ask a 'select test.settle(12, 2, test.held(12))' > /dev/null
send b 'select penstock.void_lease(test.token(12))'
blocked b || failed=1
ask a 'commit' > /dev/null
is 'nothing to give back' '0' "$(answer b)"
clean 'void behind a settlement'

# ---- a settlement that rolls back leaves the lease to the one that waits
run_sql -c "select test.put('p', 6, -2)" -c "select n from test.claim(13, 6)" > /dev/null
ask a 'begin' > /dev/null
ask a 'select test.settle(13, 2, test.held(13))' > /dev/null
send b 'select penstock.void_lease(test.token(13))'
blocked b || failed=1
ask a 'rollback' > /dev/null
is 'all are given back' '6' "$(answer b)"
clean 'void behind a settlement that failed'

# ---- room for ids is made beside an open enqueue, and an enqueue goes on beside it
run_sql -c "select setval('penstock.job_id', 9 << 24)" > /dev/null
run_sql -c "select penstock.make_blocks(0)" > /dev/null
ask a 'begin' > /dev/null
ask a "select penstock.enqueue('p')" > /dev/null
ask b 'begin' > /dev/null
is 'made while an enqueue is open' '3' "$(ask b 'select penstock.make_blocks(3)')"
is 'an enqueue does not wait for it' 't' "$(ask a "set lock_timeout = '5s'; select penstock.enqueue('p') > 0")"
ask a 'commit' > /dev/null
session c
send c 'select penstock.make_blocks(3)'
blocked c || failed=1
ask b 'commit' > /dev/null
late=$(answer c)
[ "$late" != 'ERROR:  55P03' ] || late=$(ask c 'select penstock.make_blocks(3)') # its patience is a second
is 'the second one finds it done' '0' "$late"
clean 'make_blocks'

over
