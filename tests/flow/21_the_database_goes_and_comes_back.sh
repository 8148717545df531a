#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# PostgreSQL restarts and crashes under load, a host is stopped and continued: hosts carry on,
# nothing is lost, late settlements are refused.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'lease_jobs = 50;'
pipeline ledger 'name = "slow"; plugin = "slow"; options: { sleep = "1ms"; };' 'name = "insert"; plugin = "insert"; max_attempts = 20;'
start_database 'fsync = on'
sql 'create table effect (job bigint primary key); grant insert on effect to penstock_host'
start_host one
start_host two

moving() { [ "$(settled_n ledger)" -gt "$1" ]; }

enqueue_n ledger 2000
ok 'work has begun' wait_for 90 moving 50
# carries_on: with some jobs more, since all of before may be done
carries_on() {
	local n
	n=$(settled_n ledger)
	enqueue_n ledger 100
	wait_for 90 moving "$n"
}
"$cluster" restart "$work/pg" fast
ok 'after a restart of PostgreSQL the hosts carry on by themselves' carries_on
"$cluster" restart "$work/pg" immediate
ok 'after a crash of PostgreSQL too' carries_on
"$cluster" kill9 "$work/pg"
"$cluster" restart "$work/pg"
ok 'and after its processes were killed' carries_on
ok 'all jobs end' "$penstock" wait ledger --timeout 300s
is 'each of them once' 2300 "$(settled_n ledger)"
is 'with its effect once' 2300 "$(sql 'select count(*) from effect')"
ok 'the queue is in order' "$penstock" verify

# ---- a host stands still for longer than its leases live

refused() { grep -q 'a settlement was refused\|a lease is given up\|taken for dead: it registers again' "$work/one.log"; }
leases_of_one() { [ "$(sql "select count(*) from penstock.lease l join penstock.host h on h.id = l.host where h.name = 'one'")" -gt 0 ]; }
gone() { sql_is "select count(*) from penstock.host where pid = $child" 0; }

# only the other host, who is to notice, has little patience: a machine may stand still, too
stop_host "$host"
start_host two -s lease_life=5s
enqueue_n ledger 1500
child=$(child_of one)
ok 'the first host has work' wait_for 90 leases_of_one
kill -STOP "$child"
ok 'a host that stands still is taken for dead' wait_for 90 gone
kill -CONT "$child"
ok 'when it goes on, what it held is not settled twice' "$penstock" wait ledger --timeout 300s
is 'each job ended once' 3800 "$(settled_n ledger)"
is 'with its effect once' 3800 "$(sql 'select count(*) from effect')"
ok 'the late host noticed' wait_for 90 refused
ok 'and works again under a new name' wait_for 90 listed one
is 'no innocent job failed' 0 "$(sql 'select count(*) from penstock.failure')"
ok 'the queue is in order' "$penstock" verify

# ---- fewer connections than a host wants

sql 'create role few login in role penstock_host connection limit 2'
PENSTOCK_DATABASE=${PENSTOCK_DATABASE/user=penstock/user=few} start_host few --workers 3
stop_host "${hosts[0]}"
stop_host "${hosts[0]}"
connected() { sql_is "select count(*) from pg_stat_activity where usename = 'few' and application_name = 'penstock worker'" "$1"; }
enqueue_n ledger 100
ok 'a host works with the connections that it gets' "$penstock" wait ledger --timeout 300s
ok 'which are less than it wants' wait_for 90 connected 1
ok 'and says so' wait_for 90 grep -q 'a worker waits for the database.*too many connections' "$work/few.log"
sql 'alter role few connection limit -1'
ok 'it takes the others when they are there' wait_for 90 connected 3
