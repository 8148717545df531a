#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# check.sh - what the stage makes of some jobs. Last line: N passed, N failed.
set -u
cd "$(dirname "$0")" || exit 1
passed=0 failed=0

# holds WHAT COMMAND...: the command of `penstock plugin` is content
holds() {
	what=$1
	shift
	if "${PENSTOCK:-penstock}" plugin "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $what"
	fi
}

# expects JOB RESULT OPTION...: the job, a line, ends so
expects() {
	echo "$1" > job.tmp
	echo "$2" > expected.tmp
	what="$1 ends $2"
	shift 2
	holds "$what" test -q ./template.so --input job.tmp --expect expected.tmp "$@"
	rm -f job.tmp expected.tmp
}

holds "nothing in it hurts a host" lint -q ./template.so
holds "jobs.jsonl becomes expected.jsonl" test -q ./template.so --input jobs.jsonl --expect expected.jsonl
holds "so it does when all come in one call" test -q ./template.so --input jobs.jsonl --expect expected.jsonl --call 100
expects '{"body": "two words"}' '{"attributes": {"count": 9}}' --options 'count = "characters";'
expects '{"body": "two words"}' '{"outcome": "DISCARD", "code": "TOO_SHORT"}' --options 'least = 3;'
expects '{"body": "two words"}' '{"outcome": "RETRY", "code": "NO_BODY"}' --fault body

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
