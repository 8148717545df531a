#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A reload meets plugins that die or hang while they are opened, a database that is away or goes
# away in its middle, and the loss of the process that registers: what cannot be taken is refused
# with its reason, the old configuration goes on, and no job is lost. At a start the same plugins
# are told by their names, once.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# what dies here is meant to
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:handle_segv=0:handle_abort=0"
export TSAN_OPTIONS="${TSAN_OPTIONS:-}:handle_segv=0:handle_abort=0"

reload() { "$penstock" reload --wait -s name=one -s "run_dir=$work/one" > "$work/reload.out" 2>&1; }
said() { grep -q -- "$1" "$work/reload.out" || { cat "$work/reload.out"; return 1; }; }
host_status() { "$penstock" host status --json -s name=one -s "run_dir=$work/one"; }
status_is() { [ "$(host_status | jq -r "$1")" = "$2" ]; }
says_log() { [ "$(grep -c -- "$1" "$work/one.log")" -ge "${2:-1}" ]; }
settled() { [ "$(settled_n p)" = "$1" ]; }
config() { configure "processes = 2; workers = 1; reload_timeout = \"${1:-600s}\";"; }
# refused_after TEXT TIME: a reload that has so much time is refused for a reason
refused_after() { config "$2" && exits 1 reload && said "$1"; }
door() { # "open = \"segv\";": comes first
	echo "pipeline: { name = \"a\"; stages = ( { name = \"door\"; plugin = \"door\"; options: { $1 }; } ); };" > "$work/pipelines.d/a.conf"
}
jobs=0
more() { enqueue_n p "$1" && jobs=$((jobs + $1)); }
goes_on() { # "after what"
	more 50
	ok "$1 the work goes on" wait_for 90 settled "$jobs"
}

same() { ok 'by the old configuration' status_is .generation "$now"; }
taken() { now=$(host_status | jq .generation); }

config
pipeline p 'name = "first"; plugin = "echo";' 'name = "insert"; plugin = "insert"; durable = true;'
start_database
sql 'create table effect (job bigint); grant insert on effect to penstock_host'
start_host one
ok 'a host works' wait_for 90 status_is .state working
taken

# ---- plugins that die or hang while they are opened

for how in segv abort exit; do
	for where in open thread; do
		door "$where = \"$how\";"
		# a sanitizer's own handler does not tell in which thread it was
		case $build/$where in */asan/thread | */tsan/thread) continue ;; esac
		[ "$how $where" != 'exit thread' ] || continue # no signal: the thread is not known
		ok "a plugin that does $how in its $where is refused" exits 1 reload
		ok 'by its name' said 'plugin door of stage a.door ended the process while it was opened'
	done
done
for where in open thread; do
	door "$where = \"hang\";"
	ok "a plugin that hangs in its $where is refused by its name" with_more_time refused_after 'plugin door of stage a.door was not open within reload_timeout'
	ok 'with what to do' said 'raise reload_timeout'
done
config
rm "$work/pipelines.d/a.conf"
goes_on 'beside such plugins'
same
is 'each has one line of the log' "$(grep -c 'the reload is rejected' "$work/one.log")" "$(grep -c 'reloading the configuration' "$work/one.log")"

# ---- the same at a start

# shellcheck disable=SC2120 # exits calls it with some
try() { timeout 240 "$penstock" run -s name=tried -s "run_dir=$work/tried" -s "state_dir=$work/state" "$@" > "$work/tried.log" 2>&1; }
hangs_at_start() { exits 2 try -s "reload_timeout=$1" && [ "$(grep -c 'plugin door of stage a.door was not open' "$work/tried.log")" -eq 1 ]; }
for how in segv exit; do
	door "open = \"$how\";"
	try
	is "a host with a plugin that does $how in its open() does not start" 2 $?
	ok 'and says which, once' test "$(grep -c 'plugin door of stage a.door ended the process' "$work/tried.log")" -eq 1
	ok 'with what to do' grep -q 'penstock plugin test' "$work/tried.log"
done
for where in open thread; do
	door "$where = \"hang\";"
	ok "one that hangs in its $where neither, and says which, once" with_more_time hangs_at_start
done
is 'nothing is left of them in the database' 1 "$(sql "select count(distinct name) from penstock.host")"

# ---- a plugin that was good at the start, and dies when its process is started again

door "open = \"segv\"; when = \"$work/closed\";"
ok 'a plugin that lets everybody in' reload
taken
ok 'works' wait_for 90 status_is .state working
touch "$work/closed"
ended_at_the_door='a host process died.*plugin door of stage a.door ended the process'
before=$(grep -c -- "$ended_at_the_door" "$work/one.log") # of reloads
kill -KILL "$(host_status | jq '.processes[0].pid')"
ok 'and dies when a process is started again: it is named' wait_for 90 says_log "$ended_at_the_door" $((before + 4))
between() { # the third and the fourth of its ends, in ms: the first pause is 100 ms, and they double
	grep -- "$ended_at_the_door" "$work/one.log" | cut -d' ' -f1 | sed -n "$((before + 3)),$((before + 4))p" | date -f - +%s%3N | paste -sd' ' | awk '{ print $2 - $1 }'
}
ok "there are pauses between the tries: $(between) ms" test "$(between)" -ge 700
more 50
ok 'the other process works' wait_for 90 settled "$jobs"
rm "$work/closed"
ok 'it comes back when it can' wait_for 90 status_is '.state' working
rm "$work/pipelines.d/a.conf"
ok 'and leaves' reload
ok 'for good' wait_for 90 status_is '"\(.leaving | length) \(.state)"' '0 working'
taken

# ---- the process that registers is lost

begin_lock() { # others wait with their registration
	psql -X -q -d "$admin" -c 'begin; select from penstock.pipeline for update; select pg_sleep(3600)' > /dev/null 2>&1 &
	lock=$!
	wait_for 90 sql_is "select count(*) from pg_stat_activity where query like '%pg_sleep(3600)%' and wait_event = 'PgSleep'" 1
}
end_lock() {
	sql "select count(pg_terminate_backend(pid)) from pg_stat_activity where query like '%pg_sleep(3600)%' and pid <> pg_backend_pid()" > /dev/null
	wait "$lock"
}
sessions_that() { sql "select pid from pg_stat_activity where application_name = 'penstock host' and $1"; }
waits="(wait_event_type = 'Lock' or wait_event = 'SyncRep')"
registers() { [ -n "$(sessions_that "$waits and pid <> all ('{${1-}}')")" ]; }
registrar() { host_status | jq -r '[.processes[] | select(.generation > '"$now"')][0].pid'; }
begin_reload() { reload & reloading=$!; }
lose_registrar() {
	local pid its
	pid=$(registrar)
	# the server ends its session when it sees that nobody is there: before its successor comes, or behind it
	its=$(sessions_that "$waits" | paste -sd,)
	kill -KILL "$pid"
	wait_for 90 lost "$pid" "$its"
}
lost() { [ "$(registrar)" != "$1" ] && [ "$(registrar)" != 0 ] && registers "$2"; }

pipeline p 'name = "first"; plugin = "echo";' 'name = "more"; plugin = "noop";' 'name = "insert"; plugin = "insert"; durable = true;'
begin_lock
begin_reload
ok 'a reload registers its pipelines' wait_for 90 registers
ok 'the process that does is lost, and another takes its place' lose_registrar
end_lock
wait "$reloading"
is 'the reload comes to its end' 0 $?
taken
goes_on 'behind it'

"$penstock" pause -q p insert
more 30
ok 'jobs wait at a stage' wait_for 90 sql_is "select ready from penstock.lanes where pipeline = 'p' and stage = 'insert'" 30
pipeline p 'name = "first"; plugin = "echo";' 'name = "more"; plugin = "noop";'
begin_lock
begin_reload
ok 'a reload would take the stage away' wait_for 90 registers
ok 'the process that judges it is lost' lose_registrar
end_lock
wait "$reloading"
is 'the next one refuses, too' 1 $?
ok 'and says why' said 'stage p.insert has 30 jobs'
pipeline p 'name = "first"; plugin = "echo";' 'name = "more"; plugin = "noop";' 'name = "insert"; plugin = "insert"; durable = true;'
"$penstock" resume -q p insert
goes_on 'after that'
same

# its COMMIT is done, and nobody heard of it
commits() { sql_is "select count(*) from pg_stat_activity where application_name = 'penstock host' and wait_event = 'SyncRep' and query ilike 'commit%'" 1; }
pipeline q 'name = "only"; plugin = "echo";'
ok 'a pipeline is added' reload
taken
"$penstock" pause -q q
rm "$work/pipelines.d/q.conf"
commits_hang
begin_reload
ok 'the COMMIT of a reload that takes it away does not come back' wait_for 90 commits
ok 'the process that waits for it is lost' lose_registrar
sql "set synchronous_commit = local; select count(*) from unnest(penstock.enqueue_many('q', array_fill('{}'::json, array[5])))" > /dev/null
commits_go_on
wait "$reloading"
is 'what was judged is not judged again' 0 $?
taken
"$penstock" resume -q q
q_settled() { [ "$(settled_n q)" = 5 ]; }
ok 'jobs that came meanwhile end' wait_for 90 q_settled
ok 'then it goes' wait_for 90 status_is '"\(.leaving | length) \(.state)"' '0 working'
taken
goes_on 'behind it'

# ---- the database is away

gone() { ! sql 'select 1' > /dev/null 2>&1; }
"$cluster" kill9 "$work/pg"
ok 'the database is away' gone
pipeline p 'name = "first"; plugin = "echo";' 'name = "insert"; plugin = "insert"; durable = true;'
ok 'a reload is refused after its time, for the database is away' with_more_time refused_after 'connection to server.*failed'
ok 'with what it did not change' said 'nothing has changed'
config
begin_reload
ok 'one with more time waits for it' wait_for 90 says_log 'waiting for the database' 1
ok 'and says so' wait_for 90 status_is '[.processes[] | select(.phase == "waiting for the database")] | length' 2
ok 'the old processes are there' status_is .generation "$now"
"$cluster" restart "$work/pg" > /dev/null
wait "$reloading"
is 'it is taken when the database is back' 0 $?
taken
goes_on 'with the database'

pipeline p 'name = "first"; plugin = "echo";' 'name = "more"; plugin = "noop";' 'name = "insert"; plugin = "insert"; durable = true;'
begin_lock
begin_reload
ok 'a reload registers' wait_for 90 registers
"$cluster" kill9 "$work/pg"
ok 'the database dies under it' gone
wait "$lock"
ok 'it has not ended' kill -0 "$reloading"
"$cluster" restart "$work/pg" > /dev/null
wait "$reloading"
is 'it is taken when the database is back' 0 $?
taken
goes_on 'with the database'

# ---- at the end

is 'each job has its effect once' "$jobs $jobs" "$(sql 'select count(*), count(distinct job) from effect' | tr '|' ' ')"
is 'none was charged' 0 "$(sql 'select count(*) from penstock.failure')"
ok 'the queue is in order' "$penstock" verify -q
ok 'the host drains' stop_host "$host"
