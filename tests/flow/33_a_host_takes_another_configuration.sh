#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A reload while jobs flow: what is good is taken and costs no job, what is bad changes nothing.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

reload() { "$penstock" reload -s name=one -s "run_dir=$work/one" "$@"; }
host_status() { "$penstock" host status --json -s name=one -s "run_dir=$work/one"; }
status_is() { # JQ-EXPRESSION EXPECTED
	[ "$(host_status | jq -r "$1")" = "$2" ] || { host_status | jq "$1"; return 1; }
}
settled() { [ "$(settled_n "$1")" = "$2" ]; }
status_stages() { "$penstock" status "$1" --json -s name=one -s "run_dir=$work/one" | jq .stages; }
generation() { host_status | jq .generation; }
swapped_to() { status_is '"\(.generation) \(.state)"' "$1 working"; }

configure 'workers = 2;'
pipeline docs 'name = "a"; plugin = "upper";' 'name = "b"; plugin = "reverse"; durable = true;'
pipeline side 'name = "s"; plugin = "slow"; options: { sleep = "2ms"; }; max_lease = 20;'
start_database
start_host one

# ---- under load ----

feed() { # TIMES
	for _ in $(seq "$1"); do
		enqueue_n docs 100 && enqueue_n side 5
	done
}
feed 39 &
feeder=$!
pipeline docs 'name = "a"; plugin = "upper";' 'name = "new"; plugin = "noop";' 'name = "b"; plugin = "reverse"; durable = true;'
ok 'a stage is added while jobs flow' reload --wait
pipeline third 'name = "t"; plugin = "echo";'
pipeline side 'name = "s"; plugin = "slow"; options: { sleep = "1ms"; }; max_lease = 20;'
ok 'a pipeline is added, and options change' reload --wait
configure 'workers = 3;' 'lease_jobs = 50;'
ok 'settings change' reload --wait
kill -HUP "$host"
ok 'SIGHUP does the same' wait_for 90 swapped_to 5
wait "$feeder"
feed 1 # which may have been quicker than the reloads
enqueue_n third 10
ok 'the work goes on' wait_for 90 settled docs 4000
ok 'in every pipeline' wait_for 90 settled side 200
ok 'also in the new one' wait_for 90 settled third 10
is 'the supervisor is the same' "$host" "$(host_status | jq .pid)"
is 'with as many workers as are configured now' 3 "$(host_status | jq '[.processes[].workers] | add')"
went_through() { [ "$(status_stages docs | jq "[.[] | select(.stage == \"$1\") | .jobs] | add")" -ge "$2" ]; }
ok 'jobs went through the new stage' wait_for 90 went_through new 1
is 'each job ended once' '4210 0' "$(sql "select count(distinct id) || ' ' || count(*) - count(distinct id) from penstock.jobs where state = 'completed'")"
is 'none was charged for it' 0 "$(sql 'select count(*) from penstock.failure')"
ok 'the queue is in order' "$penstock" verify -q
ok 'what the stages did is summed over generations' wait_for 90 went_through a 4000

# ---- what is bad changes nothing ----

now=$(generation)
echo 'nonsense = 1;' > "$work/pipelines.d/bad.conf"
ok 'an invalid configuration is refused' exits 2 reload --wait
kill -HUP "$host"
ok 'also by SIGHUP, with its fault in the log' wait_for 90 grep -q "unknown setting 'nonsense'" "$work/one.log"
rm "$work/pipelines.d/bad.conf"
pipeline bad 'name = "x"; plugin = "not_there";'
ok 'a plugin that is not there is refused' exits 1 reload --wait
ok 'with its name and its place' says 'bad.conf:1: there is no plugin not_there.so' reload --wait
mkdir "$work/plugins"
head -c 3000 "$build/test/stages/echo.so" > "$work/plugins/broken.so"
pipeline bad 'name = "x"; plugin = "broken";'
configure 'workers = 3;' 'lease_jobs = 50;'
sed -i "s|^plugin_path = \"|&$work/plugins:|" "$work/penstock.conf"
ok 'a file that does not load is refused' exits 1 reload --wait
ok 'with what is wrong' says 'broken.so' reload --wait
rm "$work/pipelines.d/bad.conf"
is 'the old generation works on' "$now" "$(generation)"
enqueue_n docs 50
ok 'as if nothing had been' wait_for 90 settled docs 4050

# ---- a stage is removed ----

"$penstock" pause -q docs b
enqueue_n docs 30
ok 'jobs wait at a stage' wait_for 90 sql_is "select ready from penstock.lanes where pipeline = 'docs' and stage = 'b'" 30
pipeline docs 'name = "a"; plugin = "upper";' 'name = "c"; plugin = "noop"; durable = true;'
ok 'it cannot be removed' exits 1 reload --wait
ok 'their number is told' says 'stage docs.b has 30 jobs' reload --wait
is 'nothing has changed' "$now a:0 b:2 new:1" "$(generation) $(sql "select string_agg(stage || ':' || position, ' ' order by stage) from penstock.lanes where pipeline = 'docs'")"
enqueue_n docs 5
ok 'the work goes on as before' wait_for 90 sql_is "select ready from penstock.lanes where pipeline = 'docs' and stage = 'b'" 35
ok 'it drains when asked' reload --wait --drain
is 'it is said to leave' 'docs.b docs.new' "$(host_status | jq -r '.leaving | sort | join(" ")')"
enqueue_n docs 10
ok 'new jobs do not go there' wait_for 90 settled docs 4060
ok 'lanes tell of what it holds' says REMOVED "$penstock" lanes
is 'the jobs are there' '35 true' "$("$penstock" lanes --json | jq -r '.[] | select(.stage == "b") | "\(.ready) \(.removed)"')"
ok 'and the doctor warns' says 'a host works them off' "$penstock" doctor
"$penstock" resume -q docs b
ok 'they end where they were' wait_for 90 settled docs 4095
ok 'then it goes' wait_for 90 status_is '.leaving | length' 0
is 'and no lane is left of it' 'a c' "$("$penstock" lanes -p docs --json | jq -r '[.[].stage] | join(" ")')"

# ---- a pipeline is removed ----

rm "$work/pipelines.d/third.conf"
ok 'an empty pipeline is removed' reload --wait
ok 'nothing can be put into it' exits 2 "$penstock" enqueue third '{}'
known() { "$penstock" enqueue third '{}' 2>&1 | grep 'Known: ' | grep -v third; }
ok 'nor is it told as one that is known' known
ok 'it goes' wait_for 90 status_is '.leaving | length' 0
ok 'the queue is in order' "$penstock" verify -q
is 'no job was charged' 0 "$(sql 'select count(*) from penstock.failure')"
is 'the supervisor is still the same' "$host" "$(host_status | jq .pid)"
ok 'the host drains' stop_host "$host"
ok 'its socket is gone with it' exits 2 "$penstock" host status -s name=one -s "run_dir=$work/one"
