# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Sessions that a test interleaves statement by statement. A statement that has to wait is seen waiting
# in pg_stat_activity before another goes on: no step depends on time.
: "${work:?}" "${dsn:?}" # of run

# session NAME: a psql that answers each line with what it prints and a mark
declare -A in out
session() {
	mkfifo "$work/$$.$1.in" "$work/$$.$1.out"
	psql -X -q -A -t -d "$dsn" -v VERBOSITY=sqlstate < "$work/$$.$1.in" > "$work/$$.$1.out" 2>&1 &
	exec {fd}> "$work/$$.$1.in"
	in[$1]=$fd
	exec {fd}< "$work/$$.$1.out"
	out[$1]=$fd
	ask "$1" "set application_name = '$1'" > /dev/null
}
send() { printf '%s;\n\\echo the-end\n' "$2" >&"${in[$1]}"; }
answer() {
	local line
	while read -r -t 120 line <&"${out[$1]}"; do
		[ "$line" = the-end ] && return
		echo "$line"
	done
	[ "${line:-}" = the-end ] || echo "no answer from $1"
}
ask() { send "$1" "$2"; answer "$1"; }
# waits until the session waits for a lock
blocked() {
	local until=$(($(date +%s) + 120))
	until [ "$(run_sql -c "select count(*) from pg_stat_activity where application_name = '$1' and wait_event_type = 'Lock'")" = 1 ]; do
		[ "$(date +%s)" -lt "$until" ] || { echo "$1 does not wait"; return 1; }
		sleep 0.02
	done
}
failed=0
is() {
	if [ "$2" != "$3" ]; then
		echo "$1: expected $2, found $3"
		failed=1
	fi
}
# of a job
state() { run_sql -c "select state from penstock.job_state($1)"; }
# every invariant holds
clean() { run_sql -c 'select test.clean()' > "$work/clean" 2>&1 || { echo "$1"; cat "$work/clean"; failed=1; }; }

over() {
	local name
	for name in "${!in[@]}"; do echo '\q' >&"${in[$name]}"; done
	wait
	exit "$failed"
}
