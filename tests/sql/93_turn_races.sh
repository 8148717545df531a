#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Ordering keys and limits among transactions that are open: nobody waits for an application, and no turn is lost or doubled.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" # of run
run_sql -c 'select test.world()' > /dev/null || exit 1

. "$top/tests/sql/sessions.sh"
session a
session b
state() { run_sql -c "select state from penstock.job_state($1)"; }
turns() { run_sql -c 'select penstock.give_turns(100)'; }
end_one() { run_sql -c "select n from test.claim($1, 1)" -c "select test.settle($1, 2, test.held($1))" > /dev/null; }

# ---- an application keeps its transaction open: others with the same key do not wait
ask a 'begin' > /dev/null
slow=$(ask a "select penstock.enqueue('p', ordering_key => 'k')")
quick=$(ask b "select penstock.enqueue('p', ordering_key => 'k')")
is 'a turn for what is there' '1' "$(turns)"
is 'the one that committed first' 'ready' "$(state "$quick")"
end_one 1
ask a 'commit' > /dev/null
is 'then the other' '1' "$(turns)"
is 'is ready' 'ready' "$(state "$slow")"
end_one 2
clean 'an open enqueue'

# ---- two hosts look at once: one turn
one=$(ask a "select penstock.enqueue('p', ordering_key => 'k')")
two=$(ask a "select penstock.enqueue('p', ordering_key => 'k')")
ask a 'begin' > /dev/null
is 'the first host gives a turn' '1' "$(ask a 'select penstock.give_turns(100)')"
send b 'select penstock.give_turns(100)'
blocked b || failed=1
ask a 'commit' > /dev/null
is 'the second gives none' '0' "$(answer b)"
is 'one is ready' 'ready waiting' "$(state "$one") $(state "$two")"
clean 'two hosts'

# ---- the turn is passed on while a host looks
run_sql -c "select n from test.claim(3, 1)" > /dev/null
ask a 'begin' > /dev/null
is 'the end of the first' '0' "$(ask a 'select test.settle(3, 2, test.held(3))')"
is 'a host looks meanwhile' '0' "$(ask b 'select penstock.give_turns(100)')"
ask a 'commit' > /dev/null
is 'the second is ready' 'completed ready' "$(state "$one") $(state "$two")"
clean 'an end, and a look'

# ---- the end is rolled back: the turn is kept
run_sql -c "select n from test.claim(4, 1)" > /dev/null
three=$(run_sql -c "select penstock.enqueue('p', ordering_key => 'k')")
ask a 'begin' > /dev/null
ask a 'select test.settle(4, 2, test.held(4))' > /dev/null
send b 'select penstock.give_turns(100)'
ask a 'rollback' > /dev/null
is 'no second turn' '0' "$(answer b)"
is 'the first still runs' 'running waiting' "$(state "$two") $(state "$three")"
run_sql -c 'select test.settle(4, 2, test.held(4))' > /dev/null
is 'then the next' 'completed ready' "$(state "$two") $(state "$three")"
clean 'an end that was none'

# ---- the one whose turn it would be is cancelled at that moment
four=$(run_sql -c "select penstock.enqueue('p', ordering_key => 'k')")
five=$(run_sql -c "select penstock.enqueue('p', ordering_key => 'k')")
run_sql -c "select n from test.claim(5, 1)" > /dev/null
ask b 'begin' > /dev/null
ask b "select penstock.cancel(array[$four])" > /dev/null
send a 'select test.settle(5, 2, test.held(5))'
blocked a || failed=1
ask b 'commit' > /dev/null
is 'the end goes on' '0' "$(answer a)"
is 'to the one behind' 'cancelled ready' "$(state "$four") $(state "$five")"
clean 'cancel, and a turn'

# ---- a limited lane: a claim that comes while another is in flight gets none, so that the limit holds
run_sql -c "select penstock.register_pipeline('q', '{only}', '{3}', '{3}')" -c "select test.put('q', 5)" > /dev/null
ask a 'begin' > /dev/null
is 'two of three' '2' "$(ask a 'select n from test.claim(20, 2, 3)')"
is 'not now' '' "$(ask b 'select n from test.claim(21, 2, 3)')"
ask a 'commit' > /dev/null
is 'the third' '1' "$(ask b 'select n from test.claim(21, 2, 3)')"
is 'no more' '' "$(ask a 'select n from test.claim(22, 2, 3)')"
clean 'limits'

over
