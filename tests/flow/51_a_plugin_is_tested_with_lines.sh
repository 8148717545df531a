#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# plugin test --input: jobs and results as lines of JSON, a clock that stands, and faults.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

stages=$build/test/stages
cd "$work" || exit 1
try() { "$penstock" plugin test -q "$@"; }

# ---- results ----

cat > jobs.jsonl <<'END'
{"attributes": {"text": "one", "big": 12345678901234567890123, "twice": 1.50}}

{"attributes": {"text": "two"}, "body": "some \u00e4 text", "attempt": 3}
{"body_base64": "AAH/"}
{}
END
cat > results <<'END'
{"job": 1, "outcome": "DONE", "attributes": {"text": "one", "big": 12345678901234567890123, "twice": 1.50}}
{"job": 2, "outcome": "DONE", "attributes": {"text": "two"}, "body": "some ä text"}
{"job": 3, "outcome": "DONE", "attributes": {}, "body_base64": "AAH/"}
{"job": 4, "outcome": "DONE", "attributes": {}}
END
is 'a line for each job, with its bytes as they were' "$(cat results)" "$(try "$stages/noop.so" --input jobs.jsonl)"
is 'the same in calls of three' "$(cat results)" "$(try "$stages/noop_call.so" --input jobs.jsonl --call 3)"
is 'jobs come from stdin too' "$(cat results)" "$(try "$stages/noop.so" --input - < jobs.jsonl)"
mkdir folder
printf 'from a file' > folder/body
echo '{"body_file": "body"}' > folder/jobs
ok 'a body is found beside the jobs' says '"body": "from a file"' try "$stages/noop.so" --input folder/jobs
is 'children are told' '"children": [{"route": "part", "attributes": {"a": 1}, "body": "part 0"}, {"route": "part", "attributes": {"a": 2}, "body": "part 1"}]}' \
	"$(echo '{"attributes": {"parts": [{"a": 1}, {"a": 2}]}}' | try "$stages/split.so" --input - | grep -o '"children".*')"

# ---- the clock ----

printf '{}\n{"attempt": 4}\n{}\n' > three
cat > seen <<'END'
{"job": 1, "outcome": "DONE", "attributes": {"time": 946684800, "wall": 946684800, "mono": 0, "attempt": 1, "n": 1}}
{"job": 2, "outcome": "DONE", "attributes": {"time": 946684801, "wall": 946684801, "mono": 1, "attempt": 4, "n": 1}}
{"job": 3, "outcome": "DONE", "attributes": {"time": 946684802, "wall": 946684802, "mono": 2, "attempt": 1, "n": 1}}
END
is 'a second passes with each call' "$(cat seen)" "$(try "$stages/world.so" --input three)"
is 'and one only for all jobs of a call' '946684800 946684800 946684801' \
	"$(try "$stages/world.so" --input three --call 2 | sed 's/.*"time": \([0-9]*\).*/\1/' | tr '\n' ' ' | sed 's/ $//')"

# ---- faults ----

one() { echo '{"body": "x"}' | try "$stages/world.so" --input - "$@"; }
ok 'the first allocation fails' says '"code": "NO_MEMORY", "message": "strdup() gave NULL"' one --fault alloc:1
ok 'the second fails' says '"message": "calloc() gave NULL"' one --fault alloc:2
ok 'a third there is not, which is told' says 'no call allocates 3 times, so nothing failed: at most 2' exits 1 one --fault alloc:3
ok 'a body does not come' says '"code": "NO_BODY", "message": "the body did not come", "delay_ms": 500' one --fault body
ok 'a job is cancelled' says '"code": "CANCELLED"' one --fault cancel
ok 'time is over' says '"code": "LATE"' one --fault deadline
ok 'two faults at once' says '"code": "NO_BODY"' one --fault cancel,body
ok 'an unknown fault is told, with the nearest' says 'did you mean `cancel`?' exits 2 one --fault cancle
later() { try "$stages/later.so" --input three "$@"; }
ok 'promises are kept' says '{"job": 3, "outcome": "DONE", "attributes": {"kept": true}}' later --call 3
# again, where the machine stood still until they were kept
given_up() { [ "$(later --options 'delay = "900ms";' "$@" | grep -c '"outcome": "LATER", "given_up": true')" = 3 ]; }
ok 'promises that are given up are told, and completed all the same' wait_for 90 given_up --fault deadline
ok 'cancelled ones too' wait_for 90 given_up --fault cancel --call 3
ok 'no token is given' says '"outcome": "SNOOZE", "delay_ms": 10' later --fault full

# ---- what is expected ----

is 'equal results say nothing' '' "$(try "$stages/world.so" --input three --expect seen 2>&1)"
echo '{}' > nothing
ok 'an expected line needs not everything' try "$stages/noop.so" --input folder/jobs --expect nothing
cat > wrong <<'END'
{"outcome": "DONE", "attributes": {"time": 1, "wall": 946684800, "mono": 0, "attempt": 1, "n": 1, "more": [1, {"a": 2}]}}
{"outcome": "FAIL", "code": "X"}
END
cat > differences <<'END'
FAILED  job 1: attributes.time
        expected 1
        found    946684800
FAILED  job 1: attributes.more
        expected [1,{"a":2}]
        found    nothing
FAILED  job 2: outcome
        expected "FAIL"
        found    "DONE"
FAILED  job 2: code
        expected "X"
        found    nothing
FAILED  expected 2 lines, found 3 jobs
END
ok 'differences exit 1' exits 1 try "$stages/world.so" --input three --expect wrong
is 'each by its place' "$(cat differences)" "$(try "$stages/world.so" --input three --expect wrong 2>&1)"
is 'and as JSON' '{"jobs": 3, "different": 5, "differences": [{"job": 1, "at": "attributes.time", "expected": 1, "found": 946684800}' \
	"$(try --json "$stages/world.so" --input three --expect wrong | grep -o '^.*946684800}')"
long=$(printf 'word %.0s' $(seq 100))
echo "{\"body\": \"${long}end\"}" > long
echo "{\"body\": \"${long}END of it\"}" > long.expected
ok 'long texts from where they differ' says 'job 1: body, from byte 500 on' try "$stages/noop.so" --input long --expect long.expected

# ---- bad input ----

bad() { printf '%s\n' '{}' "$1" > bad; says "$2" exits 2 try "$stages/noop.so" --input bad; }
ok 'no JSON' bad 'hello' 'bad:2: '
ok 'no object' bad '[1]' 'bad:2: '
ok 'an unknown member, with the nearest' bad '{"atributes": {}}' 'did you mean `attributes`?'
ok 'attributes that are no object' bad '{"attributes": 3}' 'bad:2: '
ok 'two bodies' bad '{"body": "a", "body_base64": "AA=="}' 'more than one of body'
ok 'no base64' bad '{"body_base64": "?"}' 'body_base64 is no base64'
ok 'no file' bad '{"body_file": "nowhere"}' 'nowhere'
ok 'no attempt' bad '{"attempt": 0}' 'attempt is to be a whole number'
: > empty
ok 'no job at all' says 'has no job in it' exits 2 try "$stages/noop.so" --input empty
ok 'a folder' says 'Is a directory' exits 2 try "$stages/noop.so" --input folder
ok 'what does not go together' says '--body does not go with --input' exits 2 try "$stages/noop.so" --input jobs.jsonl --body jobs.jsonl
ok 'what needs lines' says '--fault needs --input' exits 2 try "$stages/noop.so" --fault body
printf '{"oucome": \n' > broken
ok 'a broken expectation' says 'broken:1: ' exits 2 try "$stages/noop.so" --input three --expect broken
echo '{"attributes": {"crash": "kill"}}' > crash
ok 'a stage that crashes is told' says 'it crashed: signal' exits 1 try "$stages/crash.so" --input crash
echo '{"attributes": {"crash": "exit"}}' > crash
ok 'and one that ends its process as well' says 'it ended its process' exits 1 try "$stages/crash.so" --input crash

# ---- lint ----

lint() { "$penstock" plugin lint "$@"; }
case $build in
*/asan | */tsan) ;;
*) ok 'the plugins of the house are clean' says ': nothing found' exits 0 lint "$build"/plugins/*.so ;;
esac
ok 'an error is a line that says what to do' says "zoo_lint_fork.so: error: fork: fork copies a host of many threads, with its connections and locks; use posix_spawn(), or a thread" \
	exits 1 lint "$stages/zoo_lint_fork.so"
ok 'a warning is none to fail for' says 'warning: lazy' exits 0 lint "$stages/zoo_lint_lazy.so"
ok 'as JSON' says '"rule":"fork"' exits 1 bash -c "'$penstock' plugin lint --json '$stages/zoo_lint_fork.so' | tr -d ' \n'; exit \${PIPESTATUS[0]}"
ok 'what is no plugin is refused' says 'not a shared object' exits 2 lint "$work/jobs.jsonl"
