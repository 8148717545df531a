#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# In a database where everybody may create in public, and somebody did before penstock came: no migration,
# no statement of the host and no function for applications steps on a stranger's object.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" "${penstock:?}" # of run
cd "$top" || exit 1
base=${dsn/dbname=*/}
database="hostile"
run_sql -c "create database $database template template0" || exit 1
dsn="${base}dbname=$database"
run_sql -f tests/sql/hostile.sql || exit 1
traps=$(run_sql -c "set search_path = pg_catalog" -c "select count(*) from pg_proc where pronamespace = 'public'::regnamespace and prosrc like '%hostile%'")
[ "$traps" -gt 500 ] || { echo "only $traps traps"; exit 1; }
# the traps do snap, on what looks harmless
for harmless in "select lower('[1,2)'::int8range)" "select '{[1,2)}'::int8multirange @> 1::int8" "select unnest(array[1, 2])" "select format('%s', 1::int8)"; do
	run_sql -c "$harmless" > "$work/trap" 2>&1 && { echo "no trap: $harmless"; exit 1; }
	grep -q hostile "$work/trap" || { echo "not by a trap:"; cat "$work/trap"; exit 1; }
done

"$penstock" migrate up -q -c "$work/penstock.conf" -d "$dsn" || { echo 'migrate up'; exit 1; }

# statement NAME ARGUMENTS: one of framework/sql, by the host's role
declare -A tried
statement() {
	tried[$1]=1
	{
		echo 'set role penstock_host; set jit = off;'
		echo "prepare s as $(sed '/^--/d; s/;[[:space:]]*$//' "framework/sql/$1.sql");"
		echo "execute s${2:+($2)};"
	} | run_sql > "$work/statement" 2>&1
	if [ $? -ne 0 ] || grep -q hostile "$work/statement"; then
		echo "$1:"
		grep -v '^$' "$work/statement" | head -n 2
		failed=1
	fi
}
failed=0
token() { echo "'00000000-0000-0000-0000-00000000000$1'"; }

statement queue_register "'p', array['a', 'b'], array[3, 3]::smallint[], '{0,5}', '{0,2.5}', '{1,3}', '{0,100}', '{0,1}', array['', ''], '{0,0}'"
statement host_register "gen_random_uuid(), 'one', 'machine', 1, '0', 0"
statement host_register "gen_random_uuid(), 'two', 'machine', 2, '0', 0"
statement host_beat 1
statement host_serves "1, $(token 9), '{1,2}'"
statement queue_lock_pipelines "'{p}'"
statement queue_change 0
statement queue_removed "'{p,p}', '{a,b}', $(token 9)"
statement queue_retire "'{q}', $(token 9)"
statement queue_lanes "'p', '{a,b,c}'"
statement queue_horizon
statement host_list
statement bell_set "2, '{1,2}'"
statement enqueue_target "'p'"
statement enqueue_many "'p', array['{}', '{\"a\": 1}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}']::json[], null, 0"
statement enqueue_reserve 3
run_sql -c "set role penstock_host" -c "insert into penstock.job (id, pipeline) values (14, 1), (15, 1), (16, 1)" \
	-c "select setval('penstock.job_id', 20)" > /dev/null || exit 1
statement enqueue_schedule "1, 0::smallint, '{3}', '{0}', array['{[14,17)}'::int8multirange]"
statement queue_scan "'{1,2}'"
statement queue_peek "'{1,2}', '{0,0}', '{1,1}'"
statement queue_claim_lightly
statement queue_claim "$(token 1), 1, 1, 8, 1000000, 100, '{0}', '{1}'"
statement queue_claim "$(token 2), 1, 1, 5, 1000000, 100, '{0}', '{1}'"
statement queue_messages "$(token 1), 1000"
statement queue_find "$(token 1)"
statement queue_body '1, 0::smallint'
statement lock_patience "'2s'"
# every kind, an output, a failure
statement queue_settle "$(token 1), '{0,1,2,3,4,5}', '{2,1,1,1,1,1}', '{0,0,0,0,0,0}', '{1,0,0,0,0,0}', '{1,0,0,0,0,0}', '{0,1,1,1,1,1}', '{0,0,0,0,0,0}',
	'{0,0,0,0,0,0}', array['{[1,3)}', '{[3,4)}', '{[4,5)}', '{[5,6)}', '{[6,7)}', '{[7,8)}']::int8multirange[],
	'{1,2}', '{1,1}', array['{}', '{}']::json[], array[null, null]::bytea[], '{5,7}', '{1,1}', '{1,1}', '{X,X}', '{m,m}', '{r,r}',
	'{1,1}', '{2,2}', array['{}', '{}']::json[], array[null, '\\x00']::bytea[]"
statement queue_settle "$(token 1), '{6}', '{2}', '{0}', '{1}', '{0}', '{0}', '{0}', '{0}', array['{[8,9)}']::int8multirange[],
	'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{8}', '{2}', array['{}']::json[], array[null]::bytea[]"
statement queue_wake 100
statement queue_void "$(token 2)"
statement queue_claim "$(token 3), 2, 1, 5, 1000000, 100, '{0}', '{1}'"
statement queue_reap '2, 0'
statement queue_reap_leases
statement queue_claim "$(token 4), 1, 1, 5, 1000000, 100, '{0}', '{1}'"
first=$(run_sql -c 'set search_path = pg_catalog' -c "select lower(jobs) from penstock.lease where token = $(token 4)")
statement queue_blame "$(token 4), ${first:-0}, 1, 'CRASHED', 'signal 11'"
grep -q '^t' "$work/statement" || { echo 'queue_blame: not held'; failed=1; }
statement bell_clear 1
run_sql -c "set role penstock_enqueue" -c "select penstock.enqueue('p', '{}', '\\x00', 3, now() + interval '1 hour')" \
	-c "select state from penstock.job_state(1)" > "$work/statement" 2>&1 || { echo 'the applications:'; cat "$work/statement"; failed=1; }
run_sql -c "set role penstock_enqueue" -c "select penstock.enqueue('p') from generate_series(1, 1100)" > "$work/statement" 2>&1 || { cat "$work/statement"; failed=1; }
statement queue_pack '1, 5000, 0, 0'
statement queue_make_blocks
for what in jobs lanes hosts ended remaining reasons; do
	case $what in
	jobs) statement $what "'p', 'a', null, 'x', 'y', 100" ;;
	lanes | ended | remaining) statement $what "'p'" ;;
	reasons) statement $what 'null, 10' ;;
	*) statement $what ;;
	esac
done
statement enqueue_one "'p', '{}', '\\x00', 3, 60000, null, 'key', 'trace', null"
statement enqueue_one "'p', '{}', null, 3, null, '2999-01-01', null, null, null"
statement enqueue_one "'p', '{}', null, 3, null, null, null, null, 'order'"
statement queue_give_turns 10
grep -q '^1' "$work/statement" || { echo 'queue_give_turns: nothing'; failed=1; }
statement queue_register "'counted', array['a'], array[3]::smallint[], '{0}', '{0}', '{0}', '{0}', '{0}', '{of}', '{64}'"
lane=$(tail -n 1 "$work/statement")
statement enqueue_many "'counted', array['{\"of\": \"x\"}', '{\"of\": \"x\"}', '{\"of\": \"x\"}', '{\"of\": \"x\"}', '{\"of\": \"x\"}']::json[], null, 0"
statement queue_claim_counted "$(token 7), 1, $lane, 5, 1000000, 100, '{0}', '{1}', 4"
grep -q '|4$' "$work/statement" || { echo 'queue_claim_counted: nothing to count'; failed=1; }
statement queue_register "'keyed', array['a'], array[3]::smallint[], '{0}', '{0}', '{0}', '{0}', '{0}', '{of}', '{1}'"
lane=$(tail -n 1 "$work/statement")
statement enqueue_many "'keyed', array['{\"of\": \"x\"}', '{\"of\": \"x\"}', '{\"of\": \"x\"}']::json[], null, 0"
statement queue_claim "$(token 6), 1, $lane, 5, 1000000, 100, '{0}', '{1}'"
one=$(run_sql -c 'set search_path = pg_catalog' -c "select jobs from penstock.lease where token = $(token 6)")
statement queue_settle "$(token 6), '{2}', '{$lane}', '{0}', '{1}', '{0}', '{0}', '{0}', '{0}', array['$one']::int8multirange[],
	'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'"
statement queue_free_keys 10
grep -q '^1' "$work/statement" || { echo 'queue_free_keys: nothing'; failed=1; }
statement lane_pause "'p', null"
statement queue_watch "'{1,2}'"
statement lane_resume "'p', 'a'"
statement lane_resume "'p', null"
grep -q '^1' "$work/statement" || { echo 'lane_resume: nothing'; failed=1; }
later=$(run_sql -c 'set search_path = pg_catalog' -c 'select lower(jobs) from penstock.deferred order by id limit 1')
statement job_retry "$later"
grep -q '^1' "$work/statement" || { echo 'job_retry: nothing'; failed=1; }
statement queue_claim "$(token 5), 1, 1, 5, 1000000, 100, '{0}', '{1}'"
running=$(run_sql -c 'set search_path = pg_catalog' -c "select lower(jobs) from penstock.lease where token = $(token 5)")
statement job_cancel "$running"
statement job_output '1, 0::smallint'
held=$(run_sql -c 'set search_path = pg_catalog' -c "select jobs from penstock.lease where token = $(token 5)")
statement queue_settle "$(token 5), '{0}', '{2}', '{0}', '{1}', '{0}', '{0}', '{0}', '{0}', array['$held']::int8multirange[],
	'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'"
statement dead_list "'p', 'a', null, null, null, 'x', 'y', 10"
statement dead_purge "null, null, null, null, null, 'x', 'y', false"
statement dead_purge "null, null, 'X', '2000-01-01', '2999-01-01', null, null, true"
grep -q '^[1-9]' "$work/statement" || { echo 'dead_purge: nothing is meant'; failed=1; }
statement dead_replay "'p', 'b', null, null, null, null, null, false"
statement dead_replay "'p', null, null, null, null, null, null, false"
statement dead_replay_one 7
statement dead_purge_one 7
statement jobs_retry "'p', 'a', 'deferred', null, null, false"
statement jobs_cancel "'p', 'a', 'ready', null, null, false"
statement jobs_cancel "null, null, 'waiting', null, null, false"
grep -q '^1' "$work/statement" || { echo 'jobs_cancel: nobody waited'; failed=1; }
run_sql -c 'set role penstock_host' -c 'select * from penstock.children(1)' > "$work/statement" 2>&1 || { cat "$work/statement"; failed=1; }
statement queue_watch "'{1,2}'"
statement queue_forget_keys 10
statement queue_close_block 0
grep -q '^1' "$work/statement" || { echo 'queue_close_block: not closed'; failed=1; }
statement queue_make_blocks
statement queue_drop_block 1
statement schedule_put "'s', 'p', '0 2 * * mon-fri', '{\"a\": 1}', 'Europe/Berlin', 1, 'all'"
statement schedule_put "'t', 'p', '*/5 * * * *', '{}', 'UTC', 1, 'one'"
statement queue_register_schedules "'one', '{p}', '{u,v}', '{p,p}', '{@daily,@hourly}', '{UTC,UTC}', array['{}', '{\"a\": 1}'], '{0,1}', '{one,skip}', '{here:1,here:2}'"
statement queue_register_schedules "'one', '{p}', '{u}', '{p}', '{@daily}', '{UTC}', array['{}'], '{0}', '{one}', '{here:1}'"
grep -q '^1' "$work/statement" || { echo 'queue_register_schedules: none was dropped'; failed=1; }
statement schedule_list
run_sql -c "update penstock.schedule set next_at = now() - interval '1 hour'" > /dev/null
statement queue_fire
grep -q '^[1-9]' "$work/statement" || { echo 'queue_fire: nothing was due'; failed=1; }
statement schedule_run "'s'"
statement schedule_drop "'s'"
statement schedule_drop "'t'"
statement job_show 1
statement job_outputs 1
statement job_failures 7
statement verify
grep -qvE '\|0\||^$' "$work/statement" && { echo 'verify:'; cat "$work/statement"; failed=1; }
statement host_leave 1
statement doctor_connections "'machine'"
statement session_mark "'mark'"
statement session_read
statement profile_server
statement profile_sessions
statement depths "null"
statement queue_leases 1
statement host_listens "1, false"
statement host_company 1
statement verify_rest
statement verify_ended 0
statement metrics_queues
statement baseline_begin
statement baseline_put "'b', 'p', 1.5, 'machine', 2, '0', 'c', 'l', '{1}', '{5}', 2, 1, 0.5, 0, 0.1"
statement baseline_stage_put "1, 0, 'a', 'r', 1, 1, 0, 5, 5, 0, 9, '{0,1}', 0, '{1}', '{0}', '{5}', '{5}', '{0}', '{9}'"
statement baseline_list null
grep -q "|b|p|" "$work/statement" || { echo 'baseline_list: nothing'; failed=1; }
statement baseline_stages 1
statement baseline_calls '1, 0'
statement baseline_ends 1
statement baseline_histogram '1, 0'
statement baseline_settled "'p', '2000-01-01', 0, 100"
statement baseline_drop "'b'"
statement bench_ends "'p', 1, 20"
statement bench_sums "'p', 1, 20"
statement bench_wal
for what in blocks clock dead_rows hosts indexes lanes leases prepared roles settings slots snapshots unlogged; do
	statement "doctor_$what"
done

for file in framework/sql/*.sql; do
	name=$(basename "$file" .sql)
	case $name in
	schema_* | enqueue_copy) ;; # the migration ran them; COPY calls nothing
	*) [ -n "${tried[$name]:-}" ] || { echo "$name was not tried"; failed=1; } ;;
	esac
done
exit $failed
