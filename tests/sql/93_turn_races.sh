#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Ordering keys, and limits of stages and keys, among transactions that are open: nobody waits for an application, and no turn is lost or doubled.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" # of run
run_sql -c 'select test.world()' > /dev/null || exit 1

. "$top/tests/sql/sessions.sh"
session a
session b
put() { run_sql -c "select penstock.enqueue('p', ordering_key => '$1')"; }
look() { ask "$1" 'select penstock.give_turns(100)'; }
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
is 'the first host places both' '2' "$(look a)"
is 'the second none, and does not wait' '0' "$(look b)"
ask a 'commit' > /dev/null
is 'nor then' '0' "$(look b)"
is 'one is ready' 'ready waiting' "$(state "$one") $(state "$two")"
clean 'two hosts'

# ---- the turn is passed on while a host looks
run_sql -c "select n from test.claim(3, 1)" > /dev/null
ask a 'begin' > /dev/null
is 'the end of the first' '0' "$(ask a 'select test.settle(3, 2, test.held(3))')"
is 'a host looks meanwhile' '0' "$(look b)"
ask a 'commit' > /dev/null
is 'the second is ready' 'completed ready' "$(state "$one") $(state "$two")"
clean 'an end, and a look'

# ---- the end is rolled back: the turn is kept
run_sql -c "select n from test.claim(4, 1)" > /dev/null
three=$(put k)
ask a 'begin' > /dev/null
ask a 'select test.settle(4, 2, test.held(4))' > /dev/null
is 'a look leaves it where it arrived' '0' "$(look b)"
ask a 'rollback' > /dev/null
is 'no second turn' '1' "$(turns)"
is 'the first still runs' 'running waiting' "$(state "$two") $(state "$three")"
run_sql -c 'select test.settle(4, 2, test.held(4))' > /dev/null
is 'then the next' 'completed ready' "$(state "$two") $(state "$three")"
clean 'an end that was none'

# ---- a look puts a job behind a turn: its end waits for the look, and sees it
end_one 80
three=$(put k)
turns > /dev/null
run_sql -c 'select n from test.claim(81, 1)' > /dev/null
four=$(put k)
ask a 'begin' > /dev/null
is 'a look' '1' "$(look a)"
send b 'select test.settle(81, 2, test.held(81))'
blocked b || failed=1
ask a 'commit' > /dev/null
is 'the end goes on' '0' "$(answer b)"
is 'and passes the turn on' 'completed ready' "$(state "$three") $(state "$four")"
clean 'a look, and an end'

# ---- an end that passes the turn on: what arrives meanwhile stays behind
run_sql -c 'select n from test.claim(82, 1)' > /dev/null
five=$(put k)
turns > /dev/null
six=$(put k)
other=$(put other)
ask a 'begin' > /dev/null
is 'an end' '0' "$(ask a 'select test.settle(82, 2, test.held(82))')"
is 'a look places the other key alone' '1' "$(look b)"
is 'before it was over' 'waiting waiting ready' "$(state "$five") $(state "$six") $(state "$other")"
ask a 'commit' > /dev/null
is 'then it, too' '1' "$(turns)"
is 'behind the next' 'ready waiting' "$(state "$five") $(state "$six")"
clean 'an end, and what arrives'
end_one 83
end_one 84
end_one 85
is 'all over' 'completed completed completed' "$(state "$five") $(state "$six") $(state "$other")"

# ---- an application cancels what has arrived, and keeps its transaction open: its key waits, no other does
one=$(put k)
two=$(put k)
other=$(put other)
ask a 'begin' > /dev/null
ask a "select penstock.cancel(array[$one])" > /dev/null
is 'a look does not wait' '1' "$(look b)"
is 'and nobody goes before it' 'waiting waiting ready' "$(state "$one") $(state "$two") $(state "$other")"
ask a 'rollback' > /dev/null
is 'it was not cancelled' '2' "$(turns)"
is 'so it comes first' 'ready waiting' "$(state "$one") $(state "$two")"
clean 'cancel, and a look'
end_one 86
end_one 87
end_one 88

# ---- a look is under way while a job that it places is cancelled
one=$(put k)
two=$(put k)
ask a 'begin' > /dev/null
is 'a look' '2' "$(look a)"
send b "select (penstock.cancel(array[$one, $two])).cancelled"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'both are found where they went' '2' "$(answer b)"
is 'and end' 'cancelled cancelled' "$(state "$one") $(state "$two")"
is 'with their turn' '0' "$(run_sql -c 'select count(*) from penstock.turn')"
clean 'a look, and cancel'

# ---- a transaction that sees only what was there when it began ends a job: who came to wait since is found by a look
one=$(put k)
turns > /dev/null
ask a 'begin isolation level repeatable read' > /dev/null
ask a 'select count(*) from penstock.ordered' > /dev/null
two=$(put k)
turns > /dev/null
is 'it cancels' '1' "$(ask a "select (penstock.cancel(array[$one])).cancelled")"
ask a 'commit' > /dev/null
three=$(put k)
is 'a look' '1' "$(turns)"
is 'gives the turn to who waited first' 'cancelled ready waiting' "$(state "$one") $(state "$two") $(state "$three")"
is 'then places what arrived' '1' "$(turns)"
end_one 89
end_one 90
is 'all over' 'completed completed' "$(state "$two") $(state "$three")"
clean 'repeatable read'

# ---- the one whose turn it would be is cancelled at that moment
put k > /dev/null
four=$(put k)
five=$(put k)
turns > /dev/null
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

# ---- far from its limit claims go on side by side, a sixteenth of it each; near it one has the lane alone
run_sql -c "select penstock.register_pipeline('wide', '{only}', '{3}', '{64}')" -c "select test.put('wide', 4) from generate_series(1, 25)" > /dev/null
wide=$(run_sql -c 'select id from penstock.lane where max_running = 64')
runs() { run_sql -c "select coalesce(sum(n), 0) from penstock.lease where lane = $wide"; }
ask a 'begin' > /dev/null
is 'one takes four' '4' "$(ask a "select n from test.claim(60, 4, $wide, most => 1)")"
is 'another beside it' '4' "$(ask b "select n from test.claim(61, 4, $wide, most => 1)")"
ask a 'commit' > /dev/null
ask a 'begin' > /dev/null
is 'both' '4' "$(ask a "select n from test.claim(62, 4, $wide, most => 1)")"
is 'one that wants more needs it alone' '' "$(ask b "select n from test.claim(63, 5, $wide, most => 2)")"
ask a 'commit' > /dev/null
is 'and gets it' '20' "$(ask b "select n from test.claim(63, 20, $wide, most => 5)")"
is 'half of it' '32' "$(runs)"
ask a 'begin' > /dev/null
is 'still within it, whatever seven others take' '4' "$(ask a "select n from test.claim(64, 4, $wide, most => 1)")"
is 'that is not certain any more' '' "$(ask b "select n from test.claim(65, 5, $wide, most => 2)")"
ask a 'rollback' > /dev/null
is 'up to it' '28' "$(run_sql -c "select n from test.claim(66, 28, $wide, most => 7)")"
ask a 'begin' > /dev/null
is 'the last four' '4' "$(ask a "select n from test.claim(67, 4, $wide, most => 1)")"
is 'no other meanwhile' '' "$(ask b "select n from test.claim(68, 4, $wide, most => 1)")"
ask a 'commit' > /dev/null
is 'nor then' '' "$(ask b "select n from test.claim(68, 4, $wide, most => 1)")"
is 'all that may' '64' "$(runs)"
clean 'claims side by side'
run_sql -c "select test.settle(t, 2, test.held(t), $wide) from unnest('{60,61,62,63,66,67}'::int[]) t" > /dev/null

# ---- the same with keys, by hosts that count them: one that may take too many of one cannot look at those in flight, and takes nothing
run_sql -c "update penstock.lane set max_running = null, limit_key = 'of', max_per_key = 64 where id = $wide" \
	-c "select penstock.cancel(array(select g from penstock.parcel p, unnest(p.jobs) r, generate_series(lower(r), upper(r) - 1) g where p.lane = $wide))" \
	-c "select penstock.enqueue_many('wide', array(select json_build_object('of', n) from generate_series(1, 2) n)) from generate_series(1, 20)" > /dev/null
ask a 'begin' > /dev/null
is 'three of each of two' '6 3' "$(ask a "select test.counted(70, 6, $wide, 3, most => 3)")"
is 'and others beside it' '6 4' "$(ask b "select test.counted(71, 6, $wide, 4, most => 3)")"
is 'five of one are too many' '' "$(ask b "select test.counted(72, 10, $wide, 5, most => 5)")"
is 'as are more than four by one that does not count' '' "$(ask b "select test.counted(72, 10, $wide, null, most => 5)")"
is 'they are where they were' '34' "$(run_sql -c "select sum(n) from penstock.parcel where lane = $wide")"
ask a 'commit' > /dev/null
is 'alone it compares them' '10 any' "$(ask b "select test.counted(72, 10, $wide, 5, most => 5)")"
is 'and keeps them' '5 10' "$(run_sql -c "select concat_ws(' ', key_most, cardinality(job_keys)) from penstock.lease where token = test.token(72)")"
clean 'keys side by side'
run_sql -c "select test.settle(t, 2, test.held(t), $wide) from unnest('{70,71,72}'::int[]) t" > /dev/null

# ---- a key with a limit: the end of its last running job and a claim that parks, in both orders; none is forgotten
run_sql -c "select penstock.register_pipeline('r', '{only}', '{3}', p_limit_key => '{of}', p_max_per_key => '{1}')" > /dev/null
lane=$(run_sql -c "select l.id from penstock.lane l join penstock.pipeline p on p.id = l.pipeline where p.name = 'r'")
keyed() { run_sql -c "select penstock.enqueue('r', '{\"of\": \"x\"}')"; }
left() { echo "select test.settle($1, 2, test.held($1), $lane)"; }
six=$(keyed)
is 'one runs' '1' "$(run_sql -c "select n from test.claim(30, 10, $lane)")"
seven=$(keyed)
ask a 'begin' > /dev/null
is 'a claim finds the key full' '' "$(ask a "select n from test.claim(31, 10, $lane)")"
send b "$(left 30)"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'the end waited for it' '0' "$(answer b)"
is 'and saw what it parked' 'completed ready' "$(state "$six") $(state "$seven")"
clean 'a claim that parks, and an end'
is 'it runs' '1' "$(run_sql -c "select n from test.claim(32, 10, $lane)")"
eight=$(keyed)
ask b 'begin' > /dev/null
is 'an end first' '0' "$(ask b "$(left 32)")"
is 'no claim meanwhile' '' "$(ask a "select n from test.claim(33, 10, $lane)")"
is 'so nothing is parked' 'running ready' "$(state "$seven") $(state "$eight")"
ask b 'commit' > /dev/null
is 'then it runs' '1' "$(ask a "select n from test.claim(33, 10, $lane)")"
clean 'an end, and a claim'

# ---- two that end at once, and one that is cancelled while its turn comes
run_sql -c "update penstock.lane set max_per_key = 2 where id = $lane" > /dev/null
nine=$(keyed)
is 'a second runs' '1' "$(run_sql -c "select n from test.claim(34, 10, $lane)")"
ten=$(keyed)
eleven=$(keyed)
is 'two are parked' '' "$(run_sql -c "select n from test.claim(35, 10, $lane)")"
ask a 'begin' > /dev/null
is 'one ends' '0' "$(ask a "$(left 33)")"
send b "$(left 34)"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'the other, too' '0' "$(answer b)"
is 'both are ready' 'completed ready ready' "$(state "$nine") $(state "$ten") $(state "$eleven")"
is 'and run' '2' "$(run_sql -c "select n from test.claim(36, 10, $lane)")"
twelve=$(keyed)
is 'parked' '' "$(run_sql -c "select n from test.claim(37, 10, $lane)")"
ask a 'begin' > /dev/null
ask a "select penstock.cancel(array[$twelve])" > /dev/null
send b "$(left 36)"
blocked b || failed=1
ask a 'commit' > /dev/null
is 'the end goes on' '0' "$(answer b)"
is 'without it' 'completed cancelled' "$(state "$eleven") $(state "$twelve")"
clean 'ends, cancel, and keys'

over
