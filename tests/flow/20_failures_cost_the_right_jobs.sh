#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Retries, dead letters, discards, snoozes, an SQL error in one job of a transactional call:
# the right jobs, and only those, are affected.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure
pipeline life 'name = "a"; plugin = "echo";' \
	'name = "b"; plugin = "outcome"; max_attempts = 3; backoff = "20ms";' \
	'name = "c"; plugin = "echo";'
pipeline ledger 'name = "insert"; plugin = "insert"; max_attempts = 2; backoff = "10ms";'
pipeline durable 'name = "a"; plugin = "echo";' \
	'name = "b"; plugin = "outcome"; durable = true; max_attempts = 2; backoff = "10ms";'
pipeline promise 'name = "a"; plugin = "echo";' 'name = "b"; plugin = "later"; timeout = "200ms"; options = { when = "never"; };'
start_database
sql 'create table effect (job bigint primary key); grant insert on effect to penstock_host'
start_host one

job() { "$penstock" enqueue "$@"; }
state_is() { sql_is "select state from penstock.job_state($1)" "$2"; }

retry=$(job life '{"do": "retry", "code": "BUSY", "message": "come back"}')
dead=$(job life '{"do": "fail", "code": "BROKEN", "message": "never"}')
gone=$(job life '{"do": "discard", "code": "SEEN", "message": "twice"}')
unset=$(job life '{"do": "unset"}')
route=$(job life '{"route": "nowhere"}')
good=$(job life '{}')
snooze=$(job life '{"do": "snooze", "delay_ms": 3600000}')
ok 'the others come to an end though one snoozes' wait_for 90 \
	sql_is "select count(*) from penstock.jobs where pipeline = 'life' and state in ('ready', 'running', 'deferred')" 1
ok 'a good job completes' state_is "$good" completed
ok 'FAIL is a dead letter at once' sql_is "select string_agg(attempt || ' ' || code || ' ' || message, '; ' order by id) from penstock.failure where job = $dead" '1 BROKEN never'
ok 'and says so' state_is "$dead" dead
ok 'RETRY runs as often as max_attempts says' sql_is "select string_agg(attempt::text, ' ' order by id) from penstock.failure where job = $retry" '1 2 3'
ok 'and is dead then' state_is "$retry" dead
ok 'DISCARD ends a job on purpose' state_is "$gone" discarded
ok 'with its reason kept' sql_is "select code from penstock.failure where job = $gone" SEEN
ok 'a stage that gives no outcome loses nothing: the job retries, then is dead' sql_is "select max(code) || ' ' || count(*) from penstock.failure where job = $unset" 'NO_OUTCOME 3'
ok 'a route that the plugin has not declared is told' sql_is "select max(code) from penstock.failure where job = $route" BAD_ROUTE
ok 'a snoozing job waits and uses no attempt' sql_is "select state || ' ' || attempt from penstock.job_state($snooze)" 'deferred 0'
ok 'the command lists why jobs ended' says BROKEN "$penstock" status life
ok 'wait tells dead letters by its exit code' exits 0 "$penstock" wait ledger

# ---- transactional: one bad job of fifty

sql "select penstock.enqueue_many('ledger', array(select case n when 7 then '{\"sql\": \"bad\"}' when 9 then '{\"do\": \"fail\"}' else '{}' end::json
     from generate_series(1, 50) n))" > /dev/null
ok 'a transactional stage ends' wait_for 90 sql_is "select count(*) from penstock.jobs where pipeline = 'ledger' and state in ('ready', 'running', 'deferred')" 0
is 'each good job had its effect once' 48 "$(sql 'select count(*) from effect')"
is 'the two bad ones had none and are dead' 2 "$(sql "select count(*) from penstock.jobs where pipeline = 'ledger' and state = 'dead' and id not in (select job from effect)")"
is 'an effect belongs to each completed job' 0 "$(sql "select count(*) from penstock.jobs where pipeline = 'ledger' and state = 'completed' and id not in (select job from effect)")"

# ---- durable: what came before is kept

id=$(job durable '{"do": "retry"}')
ok 'a stage after a durable border fails for good' wait_for 90 state_is "$id" dead
is 'the stage before it ran once' 1 "$(sql "select attributes->>'saw_attempt' from penstock.output where job = $id and hop = 1")"
is 'it failed twice at its own stage' 'b b' "$(sql "select string_agg(l.stage, ' ') from penstock.failure f join penstock.lane l on l.id = f.lane where f.job = $id")"

# ---- a promise that is not kept

id=$("$penstock" enqueue promise)
ok 'what came before a promise is not lost when it is given up' wait_for 90 \
	sql_is "select count(*) from penstock.output where job = $id and attributes->>'saw_job' = '$id'" 1
ok 'nor charged' sql_is "select count(*) from penstock.failure where job = $id" 0
ok 'and the next try begins with it' wait_for 90 sql_is "select input_hop from penstock.job_state($id)" 1
"$penstock" job cancel "$id" > /dev/null
ok 'a promise is taken back when its job is cancelled' wait_for 90 state_is "$id" cancelled

ok 'the queue is in order' "$penstock" verify
ok 'the host drains' stop_host "$host"
