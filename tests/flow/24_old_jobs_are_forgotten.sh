#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Retention: a host closes the block of ids when it is old, and drops it when all in it ended long ago.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 1; retention = "7d";'
pipeline life 'name = "a"; plugin = "echo";' 'name = "b"; plugin = "outcome"; max_attempts = 1;'
start_database
start_host one
enqueue_n life 1000
dead=$("$penstock" enqueue life '{"do": "fail", "code": "BROKEN"}' --key k)
later=$("$penstock" enqueue life --delay 30d)
ok 'they end' wait_for 90 sql_is "select coalesce(sum(n), 0) from penstock.settled" 1000
ok 'one dies' wait_for 90 sql_is "select state from penstock.job_state($dead)" dead
ok 'the host drains' stop_host "$host"
is 'nothing was forgotten' 1002 "$(sql 'select count(*) from penstock.job')"

sql "update penstock.job set created_at = now() - interval '10 days'; update penstock.settled set at = now() - interval '8 days'; update penstock.key set expires = now()"
start_host two
ok 'the thousand are forgotten' wait_for 90 sql_is 'select count(*) from penstock.job' 2
ok 'what stages made of them as well' sql_is 'select count(*) from penstock.output where job not in (select id from penstock.job)' 0
ok 'the dead letter is kept' sql_is "select state from penstock.job_state($dead)" dead
ok 'and its reason' says BROKEN "$penstock" dead show "$dead"
ok 'the one for later is kept' sql_is "select state from penstock.job_state($later)" deferred
is 'they still count' 1000 "$("$penstock" status --json | grep -o '"completed": [0-9]*' | grep -o '[0-9]*')"
ok 'the key is free' wait_for 90 sql_is 'select count(*) from penstock.key' 0
new=$("$penstock" enqueue life)
ok 'ids go on in another block' test "$new" -ge $((1 << 24))
ok 'the new one ends' wait_for 90 sql_is "select state from penstock.job_state($new)" completed
ok 'the one for later runs when it is told to' "$penstock" job retry "$later"
ok 'and ends' wait_for 90 sql_is "select state from penstock.job_state($later)" completed
ok 'the queue is in order' "$penstock" verify -q
ok 'the host drains' stop_host "$host"
