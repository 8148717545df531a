#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# PgBouncer in transaction mode stands between hosts and the database: a wrong setting is told at the start,
# the right one works, jobs start within poll_most, and the pooler may be killed under load.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

PATH=$PATH:/usr/sbin
command -v pgbouncer > /dev/null || { echo 'skipped: no pgbouncer here'; trap - EXIT; rm -rf "$work"; exit 77; }

configure 'lease_jobs = 50;'
pipeline ledger 'name = "slow"; plugin = "slow"; options: { sleep = "1ms"; };' 'name = "insert"; plugin = "insert"; max_attempts = 20;'
pipeline ways 'name = "first"; plugin = "echo"; routes = { done = { to = ( "x", "y" ); then = "z"; }; };' 'name = "x"; plugin = "set"; options: { name = "x"; };' \
	'name = "y"; plugin = "set"; options: { name = "y"; };' 'name = "z"; plugin = "echo";'
pipeline quick 'name = "echo"; plugin = "echo";'
start_database 'fsync = on'
sql 'create table effect (job bigint primary key); grant insert on effect to penstock_host'
direct=$PENSTOCK_DATABASE

# pooler MODE [LINE...]: in its own folder, as user postgres when we are root
bouncer=
pooler() {
	local mode=$1 as=()
	shift
	mkdir -p "$work/bouncer"
	{
		cat <<-END
			[databases]
			postgres = host=$work/pg/socket port=5432
			[pgbouncer]
			listen_addr =
			unix_socket_dir = $work/bouncer
			listen_port = 6432
			auth_type = trust
			auth_file = $work/bouncer/users
			pool_mode = $mode
			default_pool_size = 4
			server_login_retry = 0
			admin_users = penstock
		END
		printf '%s\n' "$@"
	} > "$work/bouncer/ini"
	echo '"penstock" ""' > "$work/bouncer/users"
	if [ "$(id -u)" -eq 0 ]; then
		chown -R postgres "$work/bouncer"
		as=(setpriv --reuid=postgres --regid=postgres --init-groups)
	fi
	rm -f "$work/bouncer/.s.PGSQL.6432"
	"${as[@]}" pgbouncer "$work/bouncer/ini" >> "$work/bouncer.log" 2>&1 &
	bouncer=$!
	hosts+=("$bouncer")
	wait_for 90 pooler_answers
}
pooler_answers() { psql -X -q -A -t -d "host=$work/bouncer port=6432 user=penstock dbname=pgbouncer" -c 'show version'; }
end_pooler() { # SIGNAL
	local keep=() pid
	kill "-$1" "$bouncer"
	wait "$bouncer" 2> /dev/null
	for pid in "${hosts[@]}"; do [ "$pid" = "$bouncer" ] || keep+=("$pid"); done
	hosts=("${keep[@]}")
}
# refused [OPTION...]: the host does not start; what it says is in refused.out
refused() { "$penstock" run -s "run_dir=$work/refused" -s "state_dir=$work/state" "$@" > "$work/refused.out" 2>&1; [ $? -ne 0 ]; }
told() { grep -qF "$1" "$work/refused.out" || { cat "$work/refused.out"; return 1; }; }
moving() { [ "$(settled_n ledger)" -gt "$1" ]; }
# ten_in_turn: each job is enqueued when the one before has ended. No two ends are so far apart as a worker is that
# pauses for 10 s and more between two looks; one that is told, or pauses for at most poll_most (500 ms), is some
# seconds away from it.
ten_in_turn() {
	for _ in $(seq 10); do
		"$penstock" enqueue quick '{}' > /dev/null && "$penstock" wait quick -q --timeout 300s || return 1
	done
	sql_is "select max(apart) < interval '9 s' from (select at - lag(at) over (order by at) as apart from
		(select at from penstock.settled s join penstock.lanes l using (lane) where pipeline = 'quick' order by at desc limit 10) s) s" t
}
# again, where the machine stood still for so long
in_turn() { ten_in_turn || ten_in_turn || ten_in_turn; }
wakes() { "$penstock" hosts --json | grep -q "\"wake\": \"$1\""; }

# ---- a wrong setting

pooler transaction
export PENSTOCK_DATABASE="host=$work/bouncer port=6432 user=penstock dbname=postgres"
ok 'a pooler that refuses options of sessions ends the start' refused
ok 'with what to set' told 'set pooler = "transaction"'
ok 'a command says it too' says 'set pooler = "transaction"' "$penstock" lanes
end_pooler INT
pooler transaction 'ignore_startup_parameters = options'
ok 'one that drops them does, too' refused
ok 'by the self-test' told 'changing sessions of the server, and the setting pooler is "none"'
ok 'which says what to set' told 'set pooler = "transaction"'
is 'nothing was begun' 0 "$(sql 'select count(*) from penstock.host')"
"$penstock" doctor > "$work/said"
ok 'the doctor says the same' grep -q '^problem  *session .*"none"' "$work/said"
end_pooler INT

# ---- the right one

pooler transaction
export PENSTOCK_POOLER=transaction
start_host one --workers 2
start_host two --workers 2
ok 'with pooler = transaction hosts run' wakes poll
ok 'they say what the role lacks' grep -q 'this role lacks settings' "$work/one.log"
for s in "jit = off" "idle_in_transaction_session_timeout = '5min'" "timezone = 'UTC'"; do sql "alter role penstock set $s"; done
psql -X -q -d "host=$work/bouncer port=6432 user=penstock dbname=pgbouncer" -c reconnect
doctor_agrees() {
	"$penstock" doctor > "$work/said" && grep -q '^ok  *session .*hosts poll' "$work/said" &&
		grep -q '^ok  *hosts .*of them poll' "$work/said" && ! grep -E '^(warning|problem) +(session|hosts)' "$work/said"
}
ok 'with its advice taken the doctor is content' wait_for 90 doctor_agrees
is 'no doorbell hangs' 0 "$(sql 'select count(*) from penstock.doorbell')"

ok 'jobs that nobody announces are found by looking' in_turn
sql "select penstock.enqueue('quick', ordering_key => 'k') from generate_series(1, 3)" > /dev/null
ok 'so are the turns of an ordering key' "$penstock" wait quick -q --timeout 300s
enqueue_n ways 50
ok 'so are branches, and the jobs that wait for them' "$penstock" wait ways -q --timeout 300s
is 'which have what they made' 50 "$(sql "select count(distinct job) from penstock.output o where o.attributes->>'x' = 'yes' and o.attributes->>'y' = 'yes'")"

enqueue_n ledger 500
ok 'jobs flow through it' wait_for 90 moving 50
prepared() { # in sessions of the server, as each of them sees it
	for _ in 1 2 3 4 5 6; do psql -X -q -A -t -d "$PENSTOCK_DATABASE" -c 'select count(*) from pg_prepared_statements'; done | sort -u
}
is 'and leave no prepared statement there' 0 "$(prepared)"

# ---- killed under load

# some are under way when it dies, and some are there for whoever comes back
for round in 1 2 3; do
	enqueue_n ledger 500
	end_pooler KILL
	n=$(settled_n ledger)
	enqueue_n ledger 100
	pooler transaction
	ok "the pooler was killed ($round): hosts carry on" wait_for 90 moving "$n"
done
enqueue_n ledger 500
"$cluster" restart "$work/pg" immediate
n=$(settled_n ledger)
enqueue_n ledger 100
ok 'the server crashed behind it: hosts carry on' wait_for 90 moving "$n"
ok 'all jobs end' "$penstock" wait ledger --timeout 300s
is 'each of them once' 2900 "$(settled_n ledger)"
is 'with its effect once' 2900 "$(sql 'select count(*) from effect')"
ok 'the queue is in order, asked through the pooler' "$penstock" verify
ok 'a host drains' stop_host "${hosts[0]}"

# ---- applications and commands may go another way than hosts

export PENSTOCK_DATABASE=$direct PENSTOCK_POOLER=none
stop_host "${hosts[0]}"
start_host three --workers 1 -s poll_least=10s -s poll_most=60s
ok 'a host beside, without a pooler, listens' wakes listen
is 'and hangs its doorbells' t "$(wait_for 90 sql_is 'select count(*) > 0 from penstock.doorbell' t && echo t)"
ok 'it is told of jobs, and need not look' in_turn
ok 'as the doctor says' says 'LISTEN tells them of new jobs' "$penstock" doctor
PENSTOCK_POOLER=transaction "$penstock" doctor > "$work/said"
ok 'a setting that is not needed is a warning' grep -q '^warning  *session .*no pooler is in between' "$work/said"
