# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# lib.sh - what every flow shares; read by the tests with `.`.
#
# A flow has a folder and a PostgreSQL cluster of its own and runs the built
# program as a user does. Nothing waits for a time to pass: wait_for looks
# until a condition holds. The trap ends, by their ids, the processes that the
# flow began.
set -u
export LANG=C.UTF-8 LC_ALL=C.UTF-8 TZ=UTC NO_COLOR=1
unset PENSTOCK_CONF PENSTOCK_DATABASE PENSTOCK_PLUGIN_PATH PGOPTIONS PGUSER PGHOST PGDATABASE

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${PENSTOCK_BUILD:-build}
case $build in /*) ;; *) build=$top/$build ;; esac
penstock=$build/penstock
cluster=$top/tests/support/cluster.sh
work=$(mktemp -d /tmp/penstock-flow.XXXXXX)
chmod 755 "$work"
passed=0 failed=0
hosts=() # ids of processes to end

finish() {
	trap - EXIT INT TERM HUP
	for pid in "${hosts[@]}"; do kill -CONT "$pid" 2> /dev/null; kill -TERM "$pid" 2> /dev/null; done
	for pid in "${hosts[@]}"; do wait "$pid" 2> /dev/null; done
	"$cluster" stop "$work/pg"
	if [ "$failed" -gt 0 ]; then
		for log in "$work"/*.log; do
			[ -s "$log" ] && { echo "-- $(basename "$log"), the end"; tail -n 30 "$log"; }
		done
	fi
	rm -rf "$work"
	echo "$passed passed, $failed failed"
	# in a trap a bare exit would give the status of before
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
	exit $?
}
trap finish EXIT
trap 'failed=$((failed + 1)); exit 1' INT TERM HUP

# not_sanitized WHY: a flow about what the sanitizers change is skipped under them
not_sanitized() {
	case $build in
	*/asan | */tsan)
		echo "skipped: $1"
		trap - EXIT
		rm -rf "$work"
		exit 77
		;;
	esac
}

# ok "what a user expects" COMMAND...: holds when the command succeeds
ok() {
	local what=$1
	shift
	if "$@" > "$work/ok.out" 2>&1; then
		echo "ok      $what"
		passed=$((passed + 1))
	else
		echo "FAILED  $what"
		echo "        $*"
		sed 's/^/        /' "$work/ok.out"
		failed=$((failed + 1))
		return 1
	fi
}

# is "what" EXPECTED ACTUAL
is() {
	if [ "$2" = "$3" ]; then
		echo "ok      $1"
		passed=$((passed + 1))
	else
		echo "FAILED  $1"
		printf '        expected: %s\n        found:    %s\n' "$2" "$3"
		failed=$((failed + 1))
		return 1
	fi
}

# wait_for SECONDS COMMAND...: looks until it succeeds. A bound is for what never comes: 90 s where a moment is usual,
# and 30 looks at the least, since a machine may be so slow that there is no time for more than a few.
wait_for() {
	local until=$(($(date +%s) + $1)) looks=0
	shift
	while ! "$@" > /dev/null 2>&1; do
		looks=$((looks + 1))
		[ "$(date +%s)" -lt "$until" ] || [ "$looks" -lt 30 ] || return 1
		sleep 0.05
	done
}

# with_more_time COMMAND...: with 2s, 4s, 8s and so on behind it, until it succeeds: for what comes when a time of the
# product is over, where others have to come to their place within that time
with_more_time() {
	local s
	for s in 2 4 8 16 32 64; do "$@" "${s}s" > /dev/null 2>&1 && return; done
	"$@" 128s
}

# exits CODE COMMAND...
exits() {
	local want=$1 got
	shift
	"$@"
	got=$?
	[ "$got" -eq "$want" ] || { echo "exit code $got, expected $want"; return 1; }
}

# says TEXT COMMAND...: whatever its exit code, it prints the text
says() {
	local text=$1 out
	shift
	out=$("$@" 2>&1)
	case $out in *"$text"*) ;; *) echo "it does not say \"$text\": $out"; return 1 ;; esac
}

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$admin" -c "$1"; }
sql_is() { [ "$(sql "$1")" = "$2" ] || { echo "$1: $(sql "$1"), expected $2"; return 1; }; }

# start_database [CONF-LINE...]: a cluster with the schema and the role that hosts use
start_database() {
	admin=$("$cluster" start "$work/pg" "$@") || { failed=1; exit 1; }
	"$penstock" migrate up -q -c "$work/penstock.conf" -d "$admin" || { failed=1; exit 1; }
	sql 'create role penstock login in role penstock_host'
	export PENSTOCK_DATABASE="${admin/user=postgres/user=penstock}"
}

# configure [LINE...]: penstock.conf; quick to beat and to look. A machine may not run a host for seconds: leases
# live for long, but in a flow that sets `lives`, since it waits until a host is taken for dead.
configure() {
	mkdir -p "$work/pipelines.d"
	{
		echo "plugin_path = \"$build/test/stages:$build/plugins\";"
		echo "heartbeat = \"200ms\"; lease_life = \"${lives:-60s}\"; reap_interval = \"200ms\";"
		printf '%s\n' "$@"
	} > "$work/penstock.conf"
	export PENSTOCK_CONF=$work/penstock.conf
}

# pipeline NAME STAGE...: a stage is the text between the braces
pipeline() {
	local name=$1 stages
	shift
	stages=$(printf '{ %s }, ' "$@")
	echo "pipeline: { name = \"$name\"; stages = ( ${stages%, } ); };" > "$work/pipelines.d/$name.conf"
}

# start_host NAME [OPTION...]: sets $host to the supervisor's id; its log is NAME.log
start_host() {
	local name=$1
	shift
	"$penstock" run -s "name=$name" -s "run_dir=$work/$name" -s "state_dir=$work/state" "$@" \
		>> "$work/$name.log" 2>&1 &
	host=$!
	hosts+=("$host")
	wait_for 90 listed "$name" || { echo "host $name does not start"; cat "$work/$name.log"; failed=$((failed + 1)); exit 1; }
}

listed() { [ "$(sql "select count(*) from penstock.host where name = '$1' and beat > 0")" -gt 0 ]; }

# the process of the host that holds leases, below its supervisor
child_of() { sql "select pid from penstock.host where name = '$1' order by id desc limit 1"; }

# stop_host PID: drains it, and gives its exit code
stop_host() {
	local keep=() pid status
	kill -TERM "$1" 2> /dev/null
	wait "$1"
	status=$?
	for pid in "${hosts[@]}"; do [ "$pid" = "$1" ] || keep+=("$pid"); done
	hosts=("${keep[@]}")
	return $status
}

# commits_hang: from here on a COMMIT waits for a standby that does not come. That has begun when one is seen to
# wait: a backend learns of it from the checkpointer, in its own time.
commits_hang() {
	sql "alter system set synchronous_standby_names = 'nobody'"
	sql 'select pg_reload_conf()' > /dev/null
	yes "select pg_logical_emit_message(true, 'probe', '');" | PGAPPNAME=probe psql -X -q -d "$admin" > /dev/null 2>&1 &
	wait_for 90 sql_is "select count(*) from pg_stat_activity where application_name = 'probe' and wait_event = 'SyncRep'" 1
	sql "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'probe'" > /dev/null
	wait $!
	wait_for 90 sql_is "select count(*) from pg_stat_activity where application_name = 'probe'" 0
}
commits_go_on() {
	sql 'alter system reset synchronous_standby_names'
	sql 'select pg_reload_conf()' > /dev/null
}

enqueue_n() { # PIPELINE N [ATTRIBUTES]
	sql "select count(*) from unnest(penstock.enqueue_many('$1', array_fill('${3-{\}}'::json, array[$2])))" > /dev/null
}

settled_n() { sql "select coalesce(sum(n), 0) from penstock.settled s join penstock.lane l on l.id = s.lane join penstock.pipeline p on p.id = l.pipeline where p.name = '$1'"; }
