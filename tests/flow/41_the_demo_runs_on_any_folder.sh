#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What `make demo` runs, on the folder of the documentation; it leaves nothing behind.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mkdir "$work/tmp"
export TMPDIR=$work/tmp # where nobody else's demo runs
left() { find "$TMPDIR" -mindepth 1 | wc -l; }
demo() { DOCS=$top/docs QUERY='a parcel is a set of ready jobs of one lane, scheduled as one row' PENSTOCK_BUILD=$build "$top/examples/documents/run"; }

ok 'the demo comes to its end' bash -c "$(declare -f demo); top='$top' build='$build' demo > '$work/demo.out' 2>&1"
ok 'it indexes every document' grep -qE '^[0-9]+ documents, [0-9]+ passages in' "$work/demo.out"
is 'and does none of them twice' "$(find "$top/docs" -type f | wc -l)" "$(sed -n 's/^UNCHANGED: //p' "$work/demo.out")"
ok 'the queue is in order' grep -q '^clean' "$work/demo.out"
ok 'the search answers with its best passages' grep -q "$top/docs/concepts.md" "$work/demo.out"
is 'it leaves no folder behind' 0 "$(left)"
ok 'a folder that is not there is told' says 'there is no folder' env DOCS=/nonexistent PENSTOCK_BUILD="$build" "$top/examples/documents/run"
