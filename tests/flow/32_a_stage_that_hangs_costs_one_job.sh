#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Timeouts: a stage that listens gives up by itself, one that does not is ended with its process, and
# its job alone is charged.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 2;'
pipeline slow 'name = "work"; plugin = "slow"; timeout = "2s"; max_attempts = 2; backoff = "10ms"; options = { sleep = "1ms"; };'
pipeline other 'name = "work"; plugin = "slow"; options = { sleep = "50ms"; };'
start_database
start_host one

# an innocent job takes a millisecond, and more where its thread does not get a processor: for less than the timeout
polite=$("$penstock" enqueue slow '{"until_cancelled": true}')
ok 'a stage that listens hears that its time is over' wait_for 90 sql_is "select state from penstock.job_state($polite)" dead
is 'it retried by itself' 'LATE LATE' "$(sql "select string_agg(code, ' ') from penstock.failure where job = $polite")"
ok 'the process lives' test "$(grep -c 'does not come back' "$work/one.log")" -eq 0

enqueue_n other 100
enqueue_n slow 200
stuck=$("$penstock" enqueue slow '{"sleep_ms": 600000}')
enqueue_n slow 200
ok 'a stage that does not listen comes to an end' wait_for 90 sql_is "select state from penstock.job_state($stuck)" dead
is 'the job is charged' 'TIMEOUT TIMEOUT' "$(sql "select string_agg(code, ' ') from penstock.failure where job = $stuck")"
ok 'the log names it' grep -q "a stage does not come back.*job=$stuck" "$work/one.log"
ok 'all others are done' wait_for 90 sql_is "select sum(n) from penstock.settled where outcome = 2" 500
is 'and were not charged' 0 "$(sql "select count(*) from penstock.failure where job not in ($polite, $stuck)")"
ok 'the queue is in order' "$penstock" verify -q
ok 'the host drains' stop_host "$host"
