#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Two hosts work; one is killed with SIGKILL ten times at random points. Every job ends once, its
# effect happened once, and no innocent job lost an attempt.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

lives=10s
configure 'lease_jobs = 200;'
pipeline ledger 'name = "first"; plugin = "slow"; options: { sleep = "1ms"; };' \
	'name = "between"; plugin = "echo"; durable = true;' \
	'name = "insert"; plugin = "insert"; max_attempts = 3;'
start_database 'synchronous_commit = on'
sql 'create table effect (job bigint primary key); grant insert on effect to penstock_host'
kills=$([ "${LONG:-}" ] && echo 100 || echo 10)
each=1000 # jobs more before each kill
jobs=0 killed=0
start_host steady
start_host victim
supervisor=$host

has_work() { [ "$(sql "select count(*) from penstock.lease l join penstock.host h on h.id = l.host where h.pid = $child")" -gt 0 ]; }
# it must hold a lease when it dies; what it found done already is made good by more work
busy() {
	has_work && return
	enqueue_n ledger 200
	jobs=$((jobs + 200))
	has_work
}
past() { [ "$(settled_n ledger)" -ge "$goal" ]; }
renewed() { [ "$(child_of victim)" != "$child" ] && listed victim; }

for i in $(seq "$kills"); do
	child=$(child_of victim)
	enqueue_n ledger "$each"
	jobs=$((jobs + each))
	goal=$(($(settled_n ledger) + RANDOM % (each / 2)))
	wait_for 90 past || break
	wait_for 90 busy || break
	if [ $((i % 2)) -eq 0 ]; then
		# with its supervisor: nobody starts it again, and its leases wait for a reaper
		kill -KILL "$supervisor" "$child" || break
		wait "$supervisor" 2> /dev/null
		start_host victim
		supervisor=$host
		wait_for 90 renewed || break # the killed one may be listed, still
	else
		kill -KILL "$child" || break
		wait_for 90 renewed || break
	fi
	killed=$((killed + 1))
done
is 'the host was killed each time and started again' "$kills" "$killed"
ok 'every job ends' "$penstock" wait ledger --timeout 300s
is 'once' "$jobs" "$(settled_n ledger)"
is 'its effect happened once' "$jobs" "$(sql 'select count(*) from effect')"
is 'no job died, and none failed' 0 "$(sql 'select (select count(*) from penstock.failure) + (select count(*) from penstock.dead)')"
ok 'the queue is in order' "$penstock" verify
ok 'the supervisor tells what died' grep -q 'a host process died' "$work/victim.log"
