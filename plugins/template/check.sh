#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# check.sh - what the stage makes of some inputs. Last line: N passed, N failed.
set -u
cd "$(dirname "$0")" || exit 1
passed=0 failed=0

# gives TEXT OPTION...: the result has the text in it
gives() {
	text=$1
	shift
	if out=$("${PENSTOCK:-penstock}" plugin test --json ./template.so "$@" 2>&1) && case $out in *"$text"*) true ;; *) false ;; esac; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: plugin test $*: expected $text in: $out"
	fi
}

gives '"count": 3' --attributes '{"text": "three short words"}'
gives '"count": 17' --attributes '{"text": "three short words"}' --options 'count = "characters";'
gives 'NO_TEXT' --attributes '{}'
gives 'TOO_SHORT' --attributes '{"text": "few"}' --options 'least = 2;'
gives 'DONE' --body check.sh

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
