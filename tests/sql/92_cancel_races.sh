#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A cancel among those who move the job meanwhile, and a key that two sessions want.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" # of run
run_sql -c 'select test.world()' > /dev/null || exit 1

. "$top/tests/sql/sessions.sh"
session a
session b
put() { run_sql -c "select (test.put('p', 4))[1]"; }
watch() { run_sql -c "select * from penstock.watch('{1,2}')" > /dev/null; }

# ---- a claim is in flight: the cancel waits for its parcel, finds the job running, and asks
first=$(put)
ask a 'begin' > /dev/null
is 'claimed' '4' "$(ask a 'select n from test.claim(1, 4)')"
send b "select cancelled || ' ' || running from penstock.cancel(array[$first])"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'asked' '0 1' "$(answer b)"
is 'the settlement ends it' '0' "$(ask a 'select test.settle(1, 0, test.held(1), 2, hop => 1)')"
is 'cancelled' 'cancelled' "$(state "$first")"
clean 'claim, then cancel'

# ---- the cancel is in flight: a claim passes by the parcel that it holds
first=$(put)
ask b 'begin' > /dev/null
is 'cancelled' '1 0' "$(ask b "select cancelled || ' ' || running from penstock.cancel(array[$first])")"
is 'nothing to claim meanwhile' '' "$(ask a 'select n from test.claim(2, 4)')"
ask b 'commit' > /dev/null
is 'the others' '3' "$(ask a 'select n from test.claim(2, 4)')"
ask a 'select test.settle(2, 2, test.held(2))' > /dev/null
clean 'cancel, then claim'

# ---- a settlement that began before the request was there: the watch ends what it made ready
first=$(put)
ask a "select n from test.claim(3, 4)" > /dev/null
ask a 'begin' > /dev/null
is 'settled to the next lane' '0' "$(ask a 'select test.settle(3, 0, test.held(3), 2, hop => 1)')"
is 'seen as running' '0 1' "$(ask b "select cancelled || ' ' || running from penstock.cancel(array[$first])")"
ask a 'commit' > /dev/null
is 'it went on' 'ready' "$(state "$first")"
watch
is 'and is ended' 'cancelled' "$(state "$first")"
is 'nothing is asked any more' '0' "$(run_sql -c 'select count(*) from penstock.cancel_request')"
clean 'settle, then cancel'

# ---- the request is in flight: the settlement does not see it, and the watch does
first=$(put)
ask a "select n from test.claim(4, 4)" > /dev/null
ask b 'begin' > /dev/null
is 'running' '0 1' "$(ask b "select cancelled || ' ' || running from penstock.cancel(array[$first])")"
is 'retries' '0' "$(ask a 'select test.settle(4, 1, test.held(4), attempt => 1)')"
ask b 'commit' > /dev/null
is 'deferred' 'deferred' "$(state "$first")"
watch
is 'and is ended' 'cancelled' "$(state "$first")"
clean 'cancel, then settle'

# ---- a wake moves the job while it is looked for
run_sql -c 'update penstock.deferred set run_at = now()' > /dev/null
ask a 'begin' > /dev/null
is 'woken' '3' "$(ask a 'select jobs from penstock.wake(100)')"
send b "select cancelled || ' ' || running from penstock.cancel(array[$first + 1])"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'not found in the old place' '0 0' "$(answer b)"
watch
is 'and is ended' 'cancelled' "$(state $((first + 1)))"
clean 'wake, then cancel'

# ---- two people cancel overlapping sets
first=$(put)
ask a 'begin' > /dev/null
is 'the first' '3 0' "$(ask a "select cancelled || ' ' || running from penstock.cancel(array[$first, $first + 1, $first + 2])")"
send b "select cancelled || ' ' || running from penstock.cancel(array[$first + 1, $first + 2, $first + 3])"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'the second has the rest' '1 0' "$(answer b)"
clean 'two cancels'

# ---- two replay the same dead letter
run_sql -c "select (test.put('p', 1)); select n from test.claim(5, 1); select test.settle(5, 5, test.held(5));
	insert into penstock.failure (job, lane, attempt, code, message, release) select lower(jobs), 1, 1, 'X', '', '' from penstock.dead" > /dev/null
dead=$(run_sql -c 'select lower(jobs) from penstock.dead')
ask a 'begin' > /dev/null
is 'one replays' '1' "$(ask a "select penstock.replay(array[$dead])")"
send b "select penstock.purge(array[$dead])"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'the other finds nothing' '0' "$(answer b)"
clean 'replay, then purge'

# ---- a key: the second waits for the first one's end, and has its job
ask a 'begin' > /dev/null
one=$(ask a "select penstock.enqueue('q', key => 'k')")
send b "select penstock.enqueue('q', key => 'k')"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'the same job' "$one" "$(answer b)"
ask a 'begin' > /dev/null
two=$(ask a "select penstock.enqueue('q', key => 'l')")
send b "select penstock.enqueue('q', key => 'l')"
blocked b || failed=1
ask a 'rollback' > /dev/null
three=$(answer b)
is 'rolled back: a job of its own' 'ready' "$(state "$three")"
is 'not the one that never was' '' "$(state "$two")"
clean 'keys'

# ---- a pause is in flight: claims go on until it commits, and not after
put > /dev/null
ask a 'begin' > /dev/null
ask a "select penstock.pause('p')" > /dev/null
is 'before' 't' "$(ask b 'select n > 0 from test.claim(6, 2)')"
ask a 'commit' > /dev/null
is 'after' '' "$(ask b 'select n from test.claim(7, 2)')"
clean 'pause'

over
