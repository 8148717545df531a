#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# test_cluster.sh - the harness that the other tests stand on.
set -u

cd "$(dirname "$0")/../.." || exit 1
cluster=$PWD/tests/support/cluster.sh
top=$(mktemp -d /tmp/penstock-cluster.XXXXXX)
# the server's user must be able to pass
chmod 755 "$top"
dir=$top/c
trap '"$cluster" stop "$dir"; rm -rf "$top"' EXIT
trap 'exit 1' INT TERM
passed=0 failed=0

# ok SENTENCE COMMAND...
ok() {
	sentence=$1
	shift
	if "$@" > "$top/out" 2>&1; then
		echo "ok      $sentence"
		passed=$((passed + 1))
	else
		echo "FAILED  $sentence"
		sed 's/^/        /' "$top/out"
		failed=$((failed + 1))
	fi
}
not() { ! "$@"; }
gives() { # WANT COMMAND...
	want=$1
	shift
	got=$("$@") || return 1
	[ "$got" = "$want" ] || { echo "got '$got', wanted '$want'"; return 1; }
}
sql() { "$cluster" psql "$dir" -At -c "$1"; }
# processes that name the folder in their command line
running() { grep -slaF "$dir/data" /proc/[0-9]*/cmdline; }

ok "stop_of_nothing_is_fine" "$cluster" stop "$dir"
ok "start_makes_a_cluster" "$cluster" start "$dir" "work_mem = '7MB'"
ok "start_refuses_a_folder_with_a_cluster" not "$cluster" start "$dir"
ok "a_conf_line_is_taken" gives 7MB sql "show work_mem"
ok "fsync_is_off_unless_asked" gives off sql "show fsync"
ok "it_listens_on_no_port" gives "" sql "show listen_addresses"
ok "the_socket_is_closed_to_others" gives 700 stat -c %a "$dir"
ok "psql_stops_at_an_error" not sql "select 1/0"
sql "create table kept as select 1 as a" > /dev/null
ok "restart_keeps_what_was_there" "$cluster" restart "$dir"
ok "rows_are_there_after_restart" gives 1 sql "select a from kept"
sql "checkpoint" > /dev/null
ok "kill9_ends_every_process" "$cluster" kill9 "$dir"
ok "nothing_runs_after_kill9" not running
ok "restart_brings_it_back_after_kill9" "$cluster" restart "$dir"
ok "rows_are_there_after_kill9" gives 1 sql "select a from kept"
ok "stop_removes_the_folder" "$cluster" stop "$dir"
ok "the_folder_is_gone" not test -e "$dir"
ok "nothing_runs_after_stop" not running

mkdir "$dir" && touch "$dir/mine"
ok "stop_leaves_a_foreign_folder_alone" not "$cluster" stop "$dir"
ok "start_refuses_a_folder_that_is_not_empty" not "$cluster" start "$dir"
ok "the_foreign_file_is_still_there" test -f "$dir/mine"
rm -r "$dir"

ok "a_bad_conf_line_is_an_error" not "$cluster" start "$dir" "no_such_setting = 1"
ok "stop_clears_what_start_left_half_made" "$cluster" stop "$dir"
ok "the_half_made_folder_is_gone" not test -e "$dir"

sleep 1 &
ok "start_for_an_owner" env CLUSTER_OWNER=$! "$cluster" start "$dir"
wait
for _ in $(seq 240); do [ -e "$dir" ] && sleep 0.5; done
ok "it_ends_with_its_owner" not test -e "$dir"
ok "nothing_runs_after_the_owner" not running

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
