#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Two sessions at once, interleaved statement by statement.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" # of run
run_sql -c 'select test.world()' > /dev/null || exit 1

. "$top/tests/sql/sessions.sh"
session a
session b

# ---- two claims at once take different jobs, and neither waits
run_sql -c "select test.put('p', 10); select test.put('p', 10)" > /dev/null
ask a 'begin' > /dev/null
ask b 'begin' > /dev/null
is 'the first' '{[1,11)}' "$(ask a 'select jobs from test.claim(1, 10, most => 1)')"
is 'the second does not wait, and takes others' '{[11,21)}' "$(ask b 'select jobs from test.claim(2, 10, most => 1)')"
ask a 'commit' > /dev/null
ask b 'commit' > /dev/null
clean 'two claims'

# ---- a claim that rolls back leaves everything
ask a 'begin' > /dev/null
run_sql -c "select test.put('p', 5)" > /dev/null
is 'claimed' '5' "$(ask a 'select n from test.claim(3, 10)')"
is 'hidden meanwhile' '' "$(ask b 'select n from test.claim(4, 10)')"
ask a 'rollback' > /dev/null
is 'there again' '5' "$(ask b 'select n from test.claim(4, 10)')"
clean 'a claim rolled back'

# ---- settlement against the reaper: exactly one wins
run_sql -c "select penstock.host_register(gen_random_uuid(), 'two', 'm', 2, '0', 0)" > /dev/null
two=$(run_sql -c "select max(id) from penstock.host")
run_sql -c "select test.put('p', 8); select n from test.claim(5, 8, host => $two)" > /dev/null
ask a 'begin' > /dev/null
is 'the settlement comes first' '0' "$(ask a 'select test.settle(5, 2, test.held(5))')"
is 'the host is reaped' 't' "$(ask b "select penstock.host_reap($two, 0)")"
is 'the reaper passes by what is being settled' '0' "$(ask b 'select penstock.void_lost_leases()')"
ask a 'commit' > /dev/null
is 'settled' '8' "$(run_sql -c 'select sum(n) from penstock.settled')"
clean 'settle, then reap'

run_sql -c "select penstock.host_register(gen_random_uuid(), 'three', 'm', 3, '0', 0)" > /dev/null
three=$(run_sql -c "select max(id) from penstock.host")
run_sql -c "select test.put('p', 8); select n from test.claim(6, 8, host => $three)" > /dev/null
held=$(run_sql -c 'select test.held(6)')
ask b 'begin' > /dev/null
is 'the reaper comes first' 't' "$(ask b "select penstock.host_reap($three, 0)")"
is 'and takes the lease' '8' "$(ask b 'select penstock.void_lost_leases()')"
send a "select test.settle(6, 2, '$held')"
blocked a || failed=1
ask b 'commit' > /dev/null
is 'the late settlement is refused' 'ERROR: PS001' "$(answer a | tr -s ' ' | grep -o 'ERROR: PS001')"
clean 'reap, then settle'

# ---- two reapers: one of them
run_sql -c "select penstock.host_register(gen_random_uuid(), 'four', 'm', 4, '0', 0)" > /dev/null
four=$(run_sql -c "select max(id) from penstock.host")
ask a 'begin' > /dev/null
is 'one reaps' 't' "$(ask a "select penstock.host_reap($four, 0)")"
send b "select penstock.host_reap($four, 0)"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'the other one sees that it is done' 'f' "$(answer b)"

# ---- a beat against a reaper
run_sql -c "select penstock.host_register(gen_random_uuid(), 'five', 'm', 5, '0', 0)" > /dev/null
five=$(run_sql -c "select max(id) from penstock.host")
ask a 'begin' > /dev/null
ask a "update penstock.host set beat = beat + 1 where id = $five" > /dev/null
send b "select penstock.host_reap($five, 0)"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'the beat wins' 'f' "$(answer b)"

# ---- an enqueue that is not committed yet is not claimed, and not lost behind the horizon
run_sql -c "delete from penstock.parcel where lane = 3" > /dev/null
ask a 'begin' > /dev/null
id=$(ask a "select penstock.enqueue('q')")
run_sql -c "select test.put('q', 3)" > /dev/null
is 'the later ones are claimed' '3' "$(ask b 'select n from test.claim(7, 10, 3)')"
ask a 'commit' > /dev/null
is 'the one that came late is found by the next scan' "{[$id,$((id + 1)))}" "$(ask b 'select jobs from test.claim(8, 10, 3)')"
clean 'a late commit'

# ---- pack passes by what a claim holds
run_sql -c "select penstock.enqueue('q') from generate_series(1, 1500)" > /dev/null
ask a 'begin' > /dev/null
is 'a claim in flight' '1200' "$(ask a 'select n from test.claim(9, 1200, 3, most => 1200)')"
is 'pack merges the others' 't' "$(ask b 'select fewer >= 0 from penstock.pack(3, 5000)')"
ask a 'commit' > /dev/null
clean 'claim against pack'

# ---- asking for a lease waits for its settlement in flight
run_sql -c "select test.put('q', 4); select n from test.claim(10, 4, 3)" > /dev/null
ask a 'begin' > /dev/null
ask a 'select test.settle(10, 2, test.held(10), 3)' > /dev/null
ask b "prepare find(uuid) as $(sed '/^--/d; s/;$//' "$top/framework/sql/queue_find.sql" | tr '\n' ' ')" > /dev/null
send b "execute find('00000000-0000-0000-0000-000000000010')"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'it is gone, not still there' '' "$(answer b)"
clean 'find'

# ---- two settle the same lease: one of them
run_sql -c "select test.put('q', 4); select n from test.claim(11, 4, 3)" > /dev/null
held=$(run_sql -c 'select test.held(11)')
ask a 'begin' > /dev/null
ask a "select test.settle(11, 2, '$held', 3)" > /dev/null
send b "select test.settle(11, 3, '$held', 3)"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'the second is refused' 'ERROR: PS001' "$(answer b | tr -s ' ' | grep -o 'ERROR: PS001')"
clean 'two settlements'

# ---- two hosts register the same pipeline at once
ask a 'begin' > /dev/null
ask a "select penstock.register_pipeline('new', array['x'], array[1]::smallint[])" > /dev/null
send b "select penstock.register_pipeline('new', array['x'], array[1]::smallint[])"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'they get the same lane' "$(run_sql -c "select array_agg(id) from penstock.lane where pipeline = (select id from penstock.pipeline where name = 'new')")" "$(answer b)"

over
