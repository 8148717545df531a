#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The ABI only grows: its structures are compared with those of each minor version, and plugins that
# were built then are loaded and run. tests/abi/README.md says how they were made.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

[ "$(uname -m)" = x86_64 ] || {
	echo 'skipped: what was kept is for x86-64'
	trap - EXIT
	rm -rf "$work"
	exit 77
}
abi=$top/tests/abi

# ---- structures ----

# seen HEADER-FOLDER: what abidiff compares
seen() { cc -g -O0 -std=gnu17 -fPIC -fvisibility=hidden -shared -I"$1" -o "$work/abi.so" "$abi/abi.c"; }
# grown KEPT: members may have come behind the last one of a structure, and values to an enumeration.
# abidiff can be told to be silent on the first, but is then on more than that.
grown() {
	abidiff "$1" "$work/abi.so" > "$work/abidiff.out" 2>&1
	[ $(($? & 3)) -eq 0 ] &&
		! grep -E "[1-9][0-9]* Removed|offset changed|deletion|type of '|type changed|name changed|enumerator change|' from value|parameter type" "$work/abidiff.out"
}
ok 'the structures can be seen' seen "$top/framework"
for kept in "$abi"/penstock-*.abi; do
	ok "the ABI is that of $(basename "$kept" .abi), or more" grown "$kept"
done

# breaks WHAT SED-SCRIPT: a change of this kind is seen
breaks() {
	mkdir -p "$work/broken"
	sed "$2" "$top/framework/penstock.h" > "$work/broken/penstock.h"
	! cmp -s "$top/framework/penstock.h" "$work/broken/penstock.h" || { echo "no change: $2"; return 1; }
	seen "$work/broken" || return
	for kept in "$abi"/penstock-*.abi; do
		! grown "$kept" || { echo "$kept: $1 is not seen"; return 1; }
	done
}
ok 'a member in the middle is seen' breaks 'a member in the middle' 's/^\tuint64_t features;$/&\n\tuint64_t more;/'
ok 'a member that is gone is seen' breaks 'a member that is gone' '/^\tuint64_t features;$/d'
ok 'another type is seen' breaks 'another type' 's/^\tuint32_t attempt; /\tuint64_t attempt; /'
ok 'another result is seen' breaks 'another result' 's/^\tint64_t (\*get_int)/\tint32_t (*get_int)/'
ok 'another value is seen' breaks 'another value' 's/PS_RETRY = 2/PS_RETRY = 9/'
mkdir -p "$work/more"
awk '{ print } /size_t body_len\);$/ { print "\tvoid (*more)(struct ps_call *call);" }' "$top/framework/penstock.h" > "$work/more/penstock.h"
ok 'a member more is there' grep -q 'void (\*more)' "$work/more/penstock.h"
ok 'it can be seen' seen "$work/more"
for kept in "$abi"/penstock-*.abi; do
	ok "a member at the end is no break with $(basename "$kept" .abi)" grown "$kept"
done

# ---- plugins that were built then ----

# gives FILE JOBS RESULTS
gives() { "$penstock" plugin test -q "$abi/kept/$1" --input <(printf '%s\n' "$2") --expect <(printf '%s\n' "$3"); }
ok 'one of 1.0, job after job, with options and counters' gives template-1.0/template.so \
	'{"attributes": {"text": "three short words"}}' '{"outcome": "DONE", "attributes": {"text": "three short words", "count": 3}}'
ok 'one of 1.0 that fails a job' gives template-1.0/template.so '{}' '{"outcome": "FAIL", "code": "NO_TEXT"}'
ok 'one of 1.0 that promises' gives later-1.0/later.so '{"body": "kept"}' '{"outcome": "DONE", "attributes": {"kept": true}, "body": "kept"}'
ok 'one of 1.0 in C++' gives reverse-1.0/reverse.so '{"attributes": {"text": "one two"}}' '{"outcome": "DONE", "attributes": {"text": "two one"}}'
ok 'one of 1.1 that splits' gives split-1.1/split.so '{"attributes": {"parts": [{"a": 1}]}}' \
	'{"outcome": "SPLIT", "children": [{"route": "part", "attributes": {"a": 1}, "body": "part 0"}]}'
for file in "$abi"/kept/*/*.so; do
	version=$(basename "$(dirname "$file")")
	is "$version says its ABI" "${version##*-}" "$("$penstock" plugin inspect "$file" | sed -n 's/^abi  *//p')"
done
