#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The quick start and the page on SQL, every command of them; and docs/commands.md is fresh.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# blocks LANGUAGE FILE: what stands between ```LANGUAGE and ```
blocks() { awk -v open="\`\`\`$1" '$0 == open { inside = 1; next } /^```/ { inside = 0 } inside' "$2"; }

ok 'docs/commands.md is as make generate leaves it' diff "$top/docs/commands.md" <("$penstock" help --markdown)

# ---- quick start, in a folder that looks like the source tree and is not

mkdir "$work/tree"
for f in "$top"/*; do [ "$(basename "$f")" = build ] || ln -s "$f" "$work/tree/"; done
case $build in
*/asan | */tsan) # which make finds made when it is told of the variant; without, it would make it anew, and another one
	mkdir "$work/tree/build"
	ln -s "$build" "$build/penstock" "$build/plugins" "$(dirname "$build")/gen" "$work/tree/build/"
	case $build in */asan) export SAN=1 ;; *) export TSAN=1 ;; esac
	;;
*) ln -s "$build" "$work/tree/build" ;;
esac
{
	echo 'set -eu'
	echo 'trap '\''kill $(jobs -p) 2> /dev/null || true; wait'\'' EXIT'
	blocks sh "$top/docs/quick-start.md"
} > "$work/quick.sh"
says_all() {
	local out
	out=$(cat "$1")
	shift
	for text in "$@"; do case $out in *"$text"*) ;; *) echo "it does not say \"$text\": $out"; return 1 ;; esac; done
}
ok 'the quick start has commands' grep -q 'penstock dev' "$work/quick.sh"
# the build is there: make has nothing to do but to see that
ok 'the quick start runs as written' bash -c "cd '$work/tree' && NODEPS=1 timeout 800 bash '$work/quick.sh' > '$work/quick.out' 2>&1 || { cat '$work/quick.out'; exit 1; }"
ok 'for which nothing had to be compiled' bash -c "! grep -E '^  (CC|CXX) ' '$work/quick.out'"
ok 'and shows what it promises' says_all "$work/quick.out" '1 pipeline, 5 stages' 'NOT_FOUND' 'no-such-file.md' \
	'Concepts' 'no job is lost' 'clean'
none_left() { ! pgrep -f "$work/tree/try"; }
ok 'nothing that it started is left' wait_for 90 none_left

# ---- SQL

configure
pipeline documents 'name = "first"; plugin = "echo";'
start_database
start_host one
blocks sql "$top/docs/sql-api.md" > "$work/api.sql"
ok 'the page on SQL has statements' grep -q 'enqueue_many' "$work/api.sql"
ok 'each of them runs as written' psql -X -q -v ON_ERROR_STOP=1 -d "$admin" -f "$work/api.sql"
ok 'and what it enqueued is processed' wait_for 90 sql_is "select count(*) from penstock.jobs where state in ('ready', 'running')" 0
is 'but for the job of the next hour' 1 "$(sql "select count(*) from penstock.jobs where state = 'deferred'")"
is 'the application may enqueue' 1 "$(sql "set role shop; select count(penstock.enqueue('documents'))")"
ok 'and may not read messages' says 'permission denied' psql -X -d "$admin" -c 'set role shop' -c 'select * from penstock.job'
