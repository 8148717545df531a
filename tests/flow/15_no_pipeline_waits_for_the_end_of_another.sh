#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# While all workers are busy with a long backlog, what comes for another pipeline, or with a better
# priority, gets its turn.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 1; lease_time = "20ms";'
pipeline long 'name = "slow"; plugin = "slow"; options: { sleep = "5ms"; };'
pipeline short 'name = "quick"; plugin = "noop";'
start_database
start_host one
enqueue_n long 20000
wait_for 90 sh -c "[ \$(psql -X -A -t -d '$admin' -c 'select coalesce(sum(n), 0) from penstock.settled') -gt 20 ]"
ok 'nobody listens for what comes any more' wait_for 90 sql_is 'select count(*) from penstock.doorbell' 0
enqueue_n short 100
ok 'jobs of another pipeline do not wait for the end of the backlog' "$penstock" wait short --timeout 300s
id=$(sql "select penstock.enqueue('long', priority => -1)")
ok 'nor do those of a better priority' wait_for 90 sql_is "select state from penstock.job_state($id)" completed
ok 'the backlog was there all the time' test "$(sql 'select sum(n) from penstock.parcel')" -gt 0
