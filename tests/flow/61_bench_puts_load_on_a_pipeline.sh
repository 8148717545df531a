#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# penstock bench: load of each shape over a real pipeline, its limit, and baselines made with it.
# Nothing of speed is asked here, only that what is told fits what was done.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 2; lease_jobs = 8; poll_most = "20ms";'
pipeline work 'name = "a"; plugin = "echo";' 'name = "b"; plugin = "slow"; options = { sleep = "2ms"; };'
pipeline bad 'name = "a"; plugin = "outcome"; max_attempts = 1;'
start_database
start_host one
export PENSTOCK_RUN_DIR=$work/one PENSTOCK_NAME=one

member() { python3 -c "import json,sys; d = json.load(open(sys.argv[1])); print($2)" "$1"; }
bench() { # NAME OPTION...
	local name=$1
	shift
	"$penstock" bench work --json "$@" > "$work/$name.json" 2>> "$work/bench.log"
}

printf '{"n": 1, "bench": "of the file"}\n\n{"n": 2}\n{}\n' > "$work/jobs.jsonl"
ok 'an open loop of so many jobs' bench poisson --rate 300 --jobs 200 --payload "$work/jobs.jsonl"
is 'all of them are done' '200 200 0' "$(member "$work/poisson.json" '" ".join(str(d[k]) for k in ("enqueued", "completed", "left"))')"
is 'as the rows say' 200 "$(settled_n work)"
is 'each is another one by its salt' 200 "$(sql "select count(distinct attributes::jsonb->>'bench') from penstock.job")"
is 'and has what the file says, in turn' '67 67' "$(sql "select count(*) filter (where attributes::jsonb @> '{\"n\": 1}') || ' ' || count(*) filter (where attributes::jsonb @> '{\"n\": 2}') from penstock.job")"
is 'latencies are in order, and hold the time in the stage' True "$(member "$work/poisson.json" '0.001 <= d["latency_s"]["p50"] <= d["latency_s"]["p99"] <= d["latency_s"]["most"]')"
is 'from the intended start is no less than from creation' True "$(member "$work/poisson.json" 'd["latency_s"]["p99"] >= d["from_creation_s"]["p99"] * 0.91')"
is 'WAL, CPU and memory are told' True "$(member "$work/poisson.json" 'd["wal_bytes_a_job"] > 0 and d["host_memory_bytes"] > 0 and d["host_cpu_s_a_job"] >= 0')"

ok 'bursts' bench burst --arrivals burst --burst 50 --rate 400 --jobs 150
is 'are sent whole' 150 "$(member "$work/burst.json" 'd["completed"]')"
ok 'a ramp' bench ramp --arrivals ramp --rate 50 --rate-to 250 --for 1s
is 'has as many jobs as its area' True "$(member "$work/ramp.json" '145 <= d["enqueued"] <= 150')"
ok 'a constant rate' bench constant --arrivals constant --rate 100 --for 1s
is 'has as many as it says' 100 "$(member "$work/constant.json" 'd["enqueued"]')"
ok 'a closed loop' bench closed --in-flight 5 --jobs 60
is 'ends all of its jobs' 60 "$(member "$work/closed.json" 'd["completed"]')"

# a machine that stands still for a second holds no rate: it is looked for again
found() {
	bench limit --find-limit --rate 300 --for 200ms --latency 1s --arrivals constant || return 1
	[ "$(member "$work/limit.json" 'd["holds"] > 0 and d["breaks"] is not None and d["holds"] < d["breaks"] and len(d["steps"]) >= 2')" = True ]
}
ok 'a limit is looked for, and found between what holds and what breaks' wait_for 120 found
is 'step by step' True "$(member "$work/limit.json" 'all(s["holds"] == (s["rate"] <= d["holds"]) or s["rate"] < d["breaks"] for s in d["steps"])')"

ok 'a baseline of a load' bench first --in-flight 16 --jobs 200 --record-baseline first
ok 'and again' bench second --in-flight 16 --jobs 200 --record-baseline second
is 'knows its load' 'closed, 16 in flight' "$(sql "select load from penstock.baseline where name = 'second'")"
"$penstock" baseline compare first --against second --fail-on 1000% --json > "$work/compared.json"
is 'so that the end to end is judged' True "$(member "$work/compared.json" 'd["effects"][-1]["metric"] == "end-to-end" and d["effects"][-1]["verdict"] in ("no regression", "too little data", "disturbed")')"

svg() { python3 -c "import sys, xml.etree.ElementTree as t; r = t.parse(sys.argv[1]).getroot(); print(r.tag.split('}')[1], sum(1 for e in r.iter() if e.tag.endswith('polyline')) >= 3, [e.text for e in r.iter() if e.tag.endswith('title')][0])" "$1"; }
ok 'a drawing is made of a run' bench drawn --rate 200 --jobs 100 --svg "$work/run.svg"
is 'which is SVG, with lines and a title' 'svg True penstock bench work: poisson, 200/s' "$(svg "$work/run.svg")"
ok 'and of a search for the limit' wait_for 90 bench drawn --find-limit --rate 300 --for 200ms --latency 1s --arrivals constant --svg "$work/limit.svg"
is 'that too' 'svg True penstock bench work: --find-limit' "$(svg "$work/limit.svg")"
ok 'a place where none can be written is told before the run' says 'cannot write' "$penstock" bench work --rate 10 --jobs 1 --svg "$work/no/run.svg"

echo '{"do": "fail", "code": "NO"}' > "$work/bad.jsonl"
ok 'jobs that die are told' exits 1 "$penstock" bench bad --jobs 3 --rate 100 --payload "$work/bad.jsonl"
"$penstock" bench bad --jobs 3 --rate 100 --payload "$work/bad.jsonl" --json > "$work/bad.json"
is 'with how many' '3 3' "$(member "$work/bad.json" '"{} {}".format(d["dead"], d["failed_attempts"])')"
ok 'a wrong line is told with its number' says 'wrong.jsonl:2' bash -c "printf '{}\n[1]\n' > '$work/wrong.jsonl'; '$penstock' bench work --payload '$work/wrong.jsonl'"
ok 'as is what does not go together' says 'closed loop' "$penstock" bench work --in-flight 3 --rate 5
ok 'and a shape that there is not' says 'poisson constant burst ramp' "$penstock" bench work --arrivals square

mkdir "$work/docs"
echo 'The same text.' > "$work/docs/one.txt"
printf '{"path": "%s/docs/one.txt"}\n' "$work" > "$work/paths.jsonl"
ok 'copies of nothing are refused' exits 2 bench copies --jobs 5 --copies "$work/copies"
ok 'files are copied for each job' bench copies --jobs 5 --rate 100 --payload "$work/paths.jsonl" --copies "$work/copies"
is 'no two of them the same' 5 "$(sha256sum "$work"/copies/*.txt | cut -d' ' -f1 | sort -u | wc -l)"
is 'and the jobs name them' 5 "$(sql "select count(distinct attributes::jsonb->>'path') from penstock.job where attributes::jsonb->>'path' like '%/copies/%'")"

cp "$build/test/stages/slow.so" "$work/slow.so"
echo '{"attributes": {"a": 1}}' > "$work/input.jsonl"
echo '{"attributes": {"crash": "abort"}}' > "$work/crash.jsonl"
ok 'one build alone is measured' says '"wall_s"' "$penstock" plugin bench slow --input "$work/input.jsonl" --for 200ms --options 'sleep = "0ms";' --json
ok 'instructions are counted, or it says that they are not' bash -c "'$penstock' plugin bench slow --input '$work/input.jsonl' --for 100ms --options 'sleep = \"0ms\";' | grep -E '^instructions +([1-9]|not counted)'"
# again, where the machine stood still and there was too little to tell
ok 'a build that does more is a regression' wait_for 90 exits 1 "$penstock" plugin bench slow --against echo --input "$work/input.jsonl" --for 300ms --options 'spin = 200000; sleep = "0ms";' --old-options ''
ok 'a build against itself is none, with room for noise' wait_for 90 exits 0 "$penstock" plugin bench slow --against "$work/slow.so" --input "$work/input.jsonl" --for 1s --options 'spin = 5000; sleep = "0ms";' --fail-on 900%
ok 'a plugin that crashes is told' says 'it crashed' "$penstock" plugin bench crash --input "$work/crash.jsonl" --for 100ms
ok 'without input there is nothing to do' exits 2 "$penstock" plugin bench slow
ok 'the queue is in order' "$penstock" verify -q
