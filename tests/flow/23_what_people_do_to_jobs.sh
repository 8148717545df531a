#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Keys, times, cancel, pause, dead letters: by the command line, while a host works.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 2;'
pipeline slow 'name = "work"; plugin = "slow"; options = { sleep = "0ms"; };' 'name = "last"; plugin = "echo";'
pipeline steps 'name = "first"; plugin = "echo";' 'name = "second"; plugin = "outcome"; max_attempts = 1;'
pipeline calls 'name = "call"; plugin = "later"; timeout = "1h"; options = { when = "never"; };'
for keep in last all none; do
	pipeline "$keep" 'name = "a"; plugin = "echo";' 'name = "b"; plugin = "echo";' 'name = "c"; plugin = "echo";'
	sed -i "s/name = \"$keep\";/name = \"$keep\"; outputs = \"$keep\";/" "$work/pipelines.d/$keep.conf"
done
start_database
start_host one
state_is() { sql_is "select state from penstock.job_state($1)" "$2"; }
empty() { sql_is "select count(*) from penstock.jobs where pipeline = '$1' and state in ('ready', 'running', 'deferred')" 0; }

# ---- enqueue with a key, for later

key=$("$penstock" enqueue steps '{"n": 1}' --key order-7)
is 'a key answers the same job' "$key" "$("$penstock" enqueue steps '{"n": 2}' --key order-7)"
later=$("$penstock" enqueue steps --delay 1h)
ok 'a job for later waits' state_is "$later" deferred
at=$("$penstock" enqueue steps --at '2999-01-01 00:00' --traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01)
ok 'also until a time' sql_is "select run_at from penstock.job_state($at)" '2999-01-01 00:00:00+00'
ok 'its trace context is kept' sql_is "select left(traceparent, 11) from penstock.job where id = $at" 00-4bf92f35
ok 'a wrong time is refused' exits 2 "$penstock" enqueue steps --at tomorrowish
ok 'many have no key' exits 2 "$penstock" enqueue steps --lines /dev/null --key k
ok 'a deferred job runs now when it is told to' "$penstock" job retry "$later"
ok 'and ends' wait_for 90 state_is "$later" completed
ok 'an ended one does not' exits 1 "$penstock" job retry "$later"
ok 'a job for later can be cancelled' says cancelled "$penstock" job cancel "$at"
ok 'it is' state_is "$at" cancelled
ok 'only once' exits 1 "$penstock" job cancel "$at"
ok 'a job that is not there' exits 1 "$penstock" job cancel 424242

# ---- a running job

run=$("$penstock" enqueue slow '{"until_cancelled": true}')
ok 'it runs' wait_for 90 state_is "$run" running
ok 'it is asked to end' says 'asked to end' "$penstock" job cancel "$run"
ok 'the stage hears of it, and the job is cancelled though it retries' wait_for 90 state_is "$run" cancelled
ok 'nothing is left to ask' wait_for 90 sql_is 'select count(*) from penstock.cancel_request' 0
call=$("$penstock" enqueue calls)
ok 'a job that its plugin promised runs' wait_for 90 state_is "$call" running
"$penstock" job cancel "$call" > /dev/null
ok 'and its promise is taken back' wait_for 90 state_is "$call" cancelled

# ---- pause

ok 'a lane is paused' "$penstock" pause slow last
ok 'the command says so again' says 'paused already' "$penstock" pause slow last
id=$("$penstock" enqueue slow)
ok 'what comes before it runs, and the job waits there' wait_for 90 sql_is "select stage || ' ' || state from penstock.job_state($id)" 'last ready'
ok 'lanes shows it' says yes "$penstock" lanes -p slow
ok 'a paused lane is not claimed from' exits 1 "$penstock" wait slow --timeout 1s
ok 'resumed' "$penstock" resume slow
ok 'it ends' wait_for 90 state_is "$id" completed
ok 'a pipeline that is not there is told' exits 2 "$penstock" pause slwo

# ---- in bulk

"$penstock" pause -q steps
enqueue_n steps 500 '{"kind": "a"}'
enqueue_n steps 500 '{"kind": "b"}'
ok 'without a word nothing is done' exits 2 "$penstock" jobs cancel -p steps --attribute kind=a
ok 'a dry run says how many' says 500 "$penstock" jobs cancel -p steps --attribute kind=a --dry-run
is 'all are there' 1000 "$("$penstock" jobs -p steps --state ready -n 5000 --json | grep -o '"id"' | wc -l)"
is 'half of them end' 500 "$("$penstock" jobs cancel -p steps -a kind=a --confirm --json | grep -o '"cancelled": [0-9]*' | grep -o '[0-9]*')"
ok 'the others wait' sql_is "select sum(ready) from penstock.lanes where pipeline = 'steps'" 500
ok 'a wrong filter is told' exits 2 "$penstock" jobs cancel -a kind --confirm
"$penstock" resume -q steps
ok 'and run' wait_for 90 empty steps

# ---- dead letters

bad=$("$penstock" enqueue steps '{"do": "fail", "code": "BROKEN", "message": "never", "who": "x"}')
for who in y z; do "$penstock" enqueue steps "{\"do\": \"fail\", \"code\": \"OTHER\", \"who\": \"$who\"}"; done > /dev/null
ok 'three die' wait_for 90 sql_is "select sum(dead) from penstock.lanes where pipeline = 'steps'" 3
ok 'they are listed with their reason' says BROKEN "$penstock" dead list -p steps
is 'filtered by code' 2 "$("$penstock" dead list --code OTHER --json | grep -o '"id"' | wc -l)"
is 'by attribute' 1 "$("$penstock" dead list -a who=y --json | grep -o '"id"' | wc -l)"
is 'by time' 0 "$("$penstock" dead list --until 2020-01-01 --json | grep -o '"id"' | wc -l)"
ok 'one is shown' says never "$penstock" dead show "$bad"
is 'its message by then' '"do"' "$("$penstock" job output "$bad" | grep -o '"do"')"
ok 'as it was enqueued' says '"who": "x"' "$penstock" job output "$bad" --hop 0
ok 'no such hop' exits 1 "$penstock" job output "$bad" --hop 9
before=$(sql "select count(*) from penstock.failure where job = $bad")
ok 'a dry run of one is refused' exits 2 "$penstock" dead purge "$bad" --dry-run
is 'and leaves it dead' dead "$(sql "select state from penstock.job_state($bad)")"
ok 'it is replayed' "$penstock" dead replay "$bad"
ok 'at the stage where it failed, and fails again' wait_for 90 sql_is "select count(*) from penstock.failure f join penstock.lane l on l.id = f.lane where job = $bad and stage = 'second'" $((before + 1))
ok 'only dead ones' exits 1 "$penstock" dead replay "$id"
ok 'and says what it is' says "job $id is completed: it is no dead letter" "$penstock" dead replay "$id"
ok 'without a word nothing is done' exits 2 "$penstock" dead purge --code OTHER
is 'given up' 2 "$("$penstock" dead purge --code OTHER --confirm --json | grep -o '"purged": [0-9]*' | grep -o '[0-9]*')"
ok 'one stays' wait_for 90 sql_is "select sum(dead) from penstock.lanes where pipeline = 'steps'" 1
ok 'a state that cancel leaves alone is refused' says 'ready running deferred waiting' exits 2 "$penstock" jobs cancel --state dead --dry-run
ok 'and one that retry does' says 'deferred dead' exits 2 "$penstock" jobs retry --state completed --dry-run
is 'jobs retry replays it as well' 1 "$("$penstock" jobs retry -p steps --state dead --confirm --json | grep -o '"replayed": [0-9]*' | grep -o '[0-9]*')"
ok 'it dies again' wait_for 90 sql_is "select count(*) from penstock.failure where job = $bad" $((before + 2))

# ---- what is kept of a job

for keep in last all none; do "$penstock" enqueue "$keep" '{"number": 8}' > "$work/$keep.id"; done
for keep in last all none; do ok "a job of $keep ends" wait_for 90 state_is "$(cat "$work/$keep.id")" completed; done
hops() { sql "select coalesce(string_agg(hop::text, ' ' order by hop), '') from penstock.output where job = $(cat "$work/$1.id")"; }
is 'the last message is kept' 3 "$(hops last)"
is 'or that of every stage' '1 2 3' "$(hops all)"
is 'or none' '' "$(hops none)"
ok 'job output has the last' says '"saw_half"' "$penstock" job output "$(cat "$work/all.id")"
ok 'and each before' says '"saw_half"' "$penstock" job output "$(cat "$work/all.id")" --hop 1
ok 'as it was enqueued where none is kept' says '{"number": 8}' "$penstock" job output "$(cat "$work/none.id")"

# ---- where a job comes from

id=$("$penstock" enqueue last --traceparent 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01)
ok 'its trace context is shown' says '0af7651916cd43dd8448eb211c80319c' "$penstock" job show "$id"
is 'also to programs' 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 "$("$penstock" job show "$id" --json | jq -r '.job[0].traceparent')"

ok 'the queue is in order' "$penstock" verify -q
ok 'the host drains' stop_host "$host"
