#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Baselines: recorded while a pipeline works, kept as rows, compared with exit codes that a build can use.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 2; lease_jobs = 4; poll_most = "20ms";'
pipeline work 'name = "a"; plugin = "echo";' 'name = "b"; plugin = "slow"; options = { sleep = "2ms"; }; durable = true;'
start_database
export PENSTOCK_RUN_DIR=$work/one PENSTOCK_NAME=one

# record NAME JOBS [OPTION...]: while so many jobs are worked off
record() {
	local name=$1 jobs=$2
	shift 2
	enqueue_n work "$jobs"
	"$penstock" baseline record "$name" work --for 2s --json "$@" > "$work/$name.json" 2>> "$work/record.log"
}
# recorded NAME OPTION...: until a machine that stands still now and then has left enough calls for a verdict
recorded() {
	record "$@" --replace &&
		sql_is "select calls >= 80 from penstock.baseline_stage s join penstock.baseline b on b.id = s.baseline where b.name = '$1' and s.stage = 'b'" t
}
member() { python3 -c "import json,sys; d = json.load(open(sys.argv[1])); print($2)" "$1"; }

ok 'without a host there is nothing to record' says 'penstock run' "$penstock" baseline record none work --for 100ms
start_host one
ok 'nor while nothing runs' says 'no stage' "$penstock" baseline record none work --for 100ms

ok 'a baseline is recorded' wait_for 90 recorded first 3000
is 'of both stages' '["a", "b"]' "$(member "$work/first.json" 'json.dumps([s["stage"] for s in d["stages"]])')"
is 'whose time it knows: a stage that sleeps 2 ms' True "$(member "$work/first.json" 'd["stages"][1]["wall_s"] >= 0.002 and d["stages"][1]["p50_s"] >= 0.0019')"
ok 'call by call' sql_is "select bool_and(abs(cardinality(call_wall) + lost - calls) <= calls / 10 and cardinality(call_wall) > 64) from penstock.baseline_stage s join penstock.baseline b on b.id = s.baseline where b.name = 'first'" t
ok 'with what ended in that time' sql_is "select cardinality(end_jobs) > 0 from penstock.baseline where name = 'first'" t
ok 'a name is taken once' says '--replace' "$penstock" baseline record first work --for 100ms
ok 'but for --replace' wait_for 90 recorded first 3000
ok 'list has it' says first "$penstock" baseline list
is 'show has its stages' '["a", "b"]' "$("$penstock" baseline show first --json | member /dev/stdin 'json.dumps([s["stage"] for s in d["stages"]])')"

alone() { sql "update penstock.baseline set others_s = 0, stolen_s = 0, waited_s = 0 where name = '$1'" > /dev/null; } # whoever else is on this machine
alone first
ok 'against itself it is no regression' exits 0 "$penstock" baseline compare first --against first --fail-on 1000%
"$penstock" baseline compare first --against first --fail-on 1000% --json > "$work/same.json"
is 'in JSON, without warnings' 'no regression 0' "$(member "$work/same.json" 'd["verdict"], len(d["warnings"])' | tr -d "(),'")"
is 'stage by stage, metric by metric' 11 "$(member "$work/same.json" 'len(d["effects"])')"
ok 'end to end is not judged when nobody knows the load' [ "$(member "$work/same.json" 'd["effects"][10]["verdict"]')" = 'not judged' ]
# while these run, and nothing else any more
ok 'the others end' "$penstock" wait work -q --timeout 300s
few() {
	enqueue_n work 20 '{"sleep_ms": 100}'
	"$penstock" baseline record few work --for 300ms --replace > /dev/null 2>> "$work/record.log"
}
ok 'one of a few calls is recorded' wait_for 90 few
ok 'a few calls are too little data' exits 2 "$penstock" baseline compare first --against few

stop_host "${hosts[0]}"
pipeline work 'name = "a"; plugin = "echo";' 'name = "b"; plugin = "slow"; options = { sleep = "20ms"; }; durable = true;'
start_host two
export PENSTOCK_RUN_DIR=$work/two PENSTOCK_NAME=two
regression_now() { # unless others kept the machine so busy that it cannot be told; again where it stood still
	enqueue_n work 1000
	"$penstock" baseline compare first --for 5s > "$work/now" 2>&1
	case $? in
	1) return 0 ;;
	2) grep -q 'others used' "$work/now" && return 0 ;;
	esac
	return 1
}
ok 'what runs now, and sleeps ten times as long, is a regression' wait_for 90 regression_now || cat "$work/now"
told_slower() { # again where the machine stood still in it, so that it tells too little
	recorded slower 1500 --for 6s && alone slower && exits 1 "$penstock" baseline compare first --against slower --fail-on 200%
}
ok 'it is recorded' wait_for 90 told_slower
ok 'and a regression still' exits 1 "$penstock" baseline compare first --against slower --fail-on 50%
"$penstock" baseline compare slower --against first --json > "$work/back.json"
is 'the other way round it is none of that stage' 'no regression' "$(member "$work/back.json" '[e["verdict"] for e in d["effects"] if (e["stage"], e["metric"]) == ("b", "wall")][0]')"
ok 'another configuration is told' says 'the configuration of the pipeline' "$penstock" baseline compare first --against slower
ok 'Markdown has the verdict' says '**regression**' "$penstock" baseline compare first --against slower --markdown

is 'what else the machine did is kept' True "$("$penstock" baseline show slower --json | member /dev/stdin 'd["cores"] >= 1 and d["cores_used"] > 0 and d["cores_of_others"] >= 0 and d["stretch"] >= 0')"
sql "update penstock.baseline set used_s = 1, others_s = 9, stolen_s = 0, waited_s = 20 where name = 'slower'" > /dev/null
ok 'when others may have done it all, nothing can be told' exits 2 "$penstock" baseline compare first --against slower --fail-on 200%
ok 'and that is said' says 'record again while it does nothing else' "$penstock" baseline compare first --against slower --fail-on 200%
ok 'with how much they had' says 'others used' "$penstock" baseline compare first --against slower --fail-on 200%
ok 'in Markdown too' says 'disturbed: slower against first' "$penstock" baseline compare first --against slower --fail-on 200% --markdown
"$penstock" baseline compare first --against slower --fail-on 200% --json > "$work/disturbed.json"
is 'and in JSON, with a reason' 'disturbed True' "$(member "$work/disturbed.json" 'd["verdict"], [bool(e["why"]) for e in d["effects"] if (e["stage"], e["metric"]) == ("b", "wall")][0]' | tr -d "(),'")"
sql "update penstock.baseline set cores = null, used_s = null, others_s = null, stolen_s = null, waited_s = null where name = 'slower'" > /dev/null
ok 'a recording of which it is not known is taken as it is' exits 1 "$penstock" baseline compare first --against slower --fail-on 200%
ok 'and that is said too' says 'nobody knows what else' "$penstock" baseline compare first --against slower

is 'the same two always give the same answer' "$("$penstock" baseline compare first --against slower --json)" "$("$penstock" baseline compare first --against slower --json)"

ok 'a wrong limit is told' says '--fail-on wants' "$penstock" baseline compare first --against slower --fail-on much
ok 'a baseline that is not there, too' says "no baseline 'nothing'" "$penstock" baseline compare nothing --against first
ok 'it is deleted' "$penstock" baseline delete few
ok 'once' exits 1 "$penstock" baseline delete few
ok 'with its stages' sql_is "select count(distinct baseline) from penstock.baseline_stage" 2
ok 'the queue is in order' "$penstock" verify -q
