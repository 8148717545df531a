#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# max_connections of the server are taken, by others than hosts: at a start, under a host that works,
# at a reload and for the command line it is said with what to do, and no job is lost. A superuser
# still gets in (superuser_reserved_connections).
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

here=(-s name=one -s "run_dir=$work/one")
reload() { "$penstock" reload --wait "${here[@]}"; }
status_is() { [ "$("$penstock" host status --json "${here[@]}" | jq -r "$1")" = "$2" ]; }
says_log() { grep -q -- "$1" "$work/one.log"; }
settled() { [ "$(settled_n p)" = "$1" ]; }
no_room='too many clients already\|remaining connection slots are reserved'
what_to_do='a host takes a connection for each worker.*max_connections'

# others: sessions that do nothing, until there is no connection left, also when ours that ask have ended
others=()
fill() {
	for _ in 1 2 3; do
		PGAPPNAME=others psql -X -q -d "$PENSTOCK_DATABASE" -c 'select pg_sleep(3600)' > /dev/null 2>&1 &
		others+=("$!")
	done
	sql_is "select count(*) from pg_stat_activity where usename = 'penstock' and backend_type = 'client backend'" 11
}
free() {
	sql "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'others'" > /dev/null
	wait "${others[@]}"
	others=()
	wait_for 90 sql_is "select count(*) from pg_stat_activity where application_name = 'others'" 0
}

configure 'workers = 3;'
pipeline p 'name = "first"; plugin = "echo";' 'name = "insert"; plugin = "insert"; durable = true;'
start_database 'max_connections = 14' 'superuser_reserved_connections = 3'
sql 'create table effect (job bigint); grant insert on effect to penstock_host'

# ---- at a start

ok 'others have all connections' wait_for 90 fill
"$penstock" run -s name=one -s "run_dir=$work/one" -s "state_dir=$work/state" >> "$work/one.log" 2>&1 &
host=$!
hosts+=("$host")
ok 'a host that starts waits, and says why' wait_for 90 says_log "waiting for the database.*\($no_room\)"
ok 'with what to do' says_log "$what_to_do"
free
ok 'it comes when there are some' wait_for 90 listed one
enqueue_n p 100
ok 'and works' wait_for 90 settled 100

# ---- the command line, beside a host that works

ok 'others have all connections again' wait_for 90 fill
ok 'a command ends with the exit code for it' exits 3 "$penstock" lanes
ok 'and says what to do' says 'a larger max_connections, or a pooler' "$penstock" lanes
ok 'in JSON nothing goes to standard output' test -z "$("$penstock" lanes --json 2> /dev/null)"
ok 'one that puts in jobs says so, too' says 'max_connections' "$penstock" enqueue p '{}'
ok 'a superuser gets in' "$penstock" lanes -d "$admin"
ok 'and the doctor warns' says 'connections' "$penstock" doctor -d "$admin"
enqueue_n p 100
ok 'the host works on with those that it has' wait_for 90 settled 200

# ---- at a reload

now=$("$penstock" host status --json "${here[@]}" | jq .generation)
refused_after() {
	configure "workers = 3; lease_jobs = 50; reload_timeout = \"$1\";"
	exits 1 reload > "$work/reload.out" 2>&1 && grep -q "$no_room" "$work/reload.out"
}
ok 'a reload is refused, with why' with_more_time refused_after
ok 'and what to do' grep -q 'a reload as many beside them' "$work/reload.out"
ok 'the old processes work on' status_is .generation "$now"
enqueue_n p 100
ok 'without a pause' wait_for 90 settled 300
free
configure 'workers = 3; lease_jobs = 50; reload_timeout = "600s";'
ok 'with connections it is taken' reload

# ---- under a host that works

enqueue_n p 2000
connections() { # of the server, from now on: three are for superusers
	sql "alter system set max_connections = $1"
	"$cluster" kill9 "$work/pg"
}
: > "$work/one.log"
connections 4
told() { [ "$(grep -c 'a worker waits for the database' "$work/one.log")" -ge "$1" ]; }
ok 'each worker says that the server is away' wait_for 90 told 3
"$cluster" restart "$work/pg" > /dev/null
ok 'a host that finds one connection where it had four says why' wait_for 90 says_log "$no_room"
ok 'with what to do' says_log "$what_to_do"
connections 14
"$cluster" restart "$work/pg" > /dev/null
ok 'and goes on when there are some' wait_for 90 settled 2300
is 'each job has its effect once' '2300 2300' "$(sql 'select count(*), count(distinct job) from effect' | tr '|' ' ')"
is 'none is charged' 0 "$(sql 'select count(*) from penstock.failure')"
ok 'the queue is in order' "$penstock" verify -q
ok 'the host drains' stop_host "$host"
