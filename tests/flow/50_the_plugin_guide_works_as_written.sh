#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A stranger's first plugins: the guide's commands and sources in their order, as they stand there.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
not_sanitized "the plugins of strangers are built without them"

guide=$top/docs/plugin-guide.md

# ```sh blocks as they are, ```c file=NAME blocks as files of the folder where the commands then are
script() {
	echo 'set -eu'
	echo 'trap '\''kill $(jobs -p) 2> /dev/null || true; wait'\'' EXIT'
	awk '
	/^```(c|cc) file=/ { sub(/.*file=/, ""); print "cat > " $0 " <<'\''END_OF_SOURCE'\''"; inside = 2; next }
	/^```sh$/ { inside = 1; next }
	/^```/ { if (inside == 2) print "END_OF_SOURCE"; inside = 0; next }
	inside' "$guide"
}

mkdir "$work/stranger"
script > "$work/guide.sh"
is 'the guide has sources in C and C++' '4 1' "$(grep -c '^```c file=' "$guide") $(grep -c '^```cc file=' "$guide")"
is 'each source begins and ends' "$(grep -c "<<'END_OF_SOURCE'" "$work/guide.sh")" "$(grep -c '^END_OF_SOURCE$' "$work/guide.sh")"
ok 'the guide runs as written' bash -c "cd '$work/stranger' && PATH='$build:$PATH' timeout 800 bash '$work/guide.sh' > '$work/guide.out' 2>&1 || { cat '$work/guide.out'; exit 1; }"
has() { grep -qF -- "$1" "$work/guide.out" || { tail -n 40 "$work/guide.out"; return 1; }; }
ok 'the template passes its own tests' has '6 passed, 0 failed'
ok 'and has nothing that hurts a host' has './shout.so: nothing found'
ok 'the stage in C does what it says' has '"text": "HELLO?"'
ok 'a crash-free contract is told' has 'ok      it closes, and opens again'
ok 'two stages in a row' has '"text": "HELLO!!!"'
ok 'a job without text is a dead letter that says why' has 'NO_TEXT'
ok 'the stage in C++ too' has '"text": "hello"'
ok 'the asynchronous stage keeps its promise' has '"bytes": '
ok 'the transactional stage wrote what the job said' bash -c "grep -qx hello '$work/guide.out' && grep -qx 'world and all' '$work/guide.out'"
ok 'a job is split' has 'child        by word: {"text": "two"}'
ok 'two ways at once come together' grep -q '^{ "text" : "SEVERAL WAYS.*", "bytes" : [0-9]* }$' "$work/guide.out"
ok 'and each part ran' grep -qx world "$work/guide.out"
is 'nothing that it started is left' '' "$(pgrep -f "$work/stranger" || true)"
