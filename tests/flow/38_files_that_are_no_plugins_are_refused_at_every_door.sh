#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Files that no host should load, and the doors by which they may come in: `penstock check`, `penstock
# plugin inspect` and `plugin test`, and a reload of a host that works. One row says which file, and the
# words of the answer.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

stages=$build/test/stages
plugins=$work/plugins
mkdir "$plugins" "$work/open"
configure 'workers = 1;'
sed -i "s|^plugin_path = \"|&$plugins:$work/open:|" "$work/penstock.conf"
pipeline p 'name = "first"; plugin = "noop";'
start_database
start_host one

# ---- the files

echo 'a text' > "$plugins/text.so"
: > "$plugins/empty.so"
mkdir "$plugins/folder.so"
mkfifo "$plugins/fifo.so"
head -c 3000 "$stages/echo.so" > "$plugins/truncated.so"
cp "$stages/echo.so" "$plugins/machine.so"
printf '\363\001' | dd of="$plugins/machine.so" bs=1 seek=18 conv=notrunc status=none # e_machine: of none that there is
cp "$stages/echo.so" "$plugins/writable.so"
chmod 666 "$plugins/writable.so"
cp "$stages/echo.so" "$work/open/lent.so"
chmod 777 "$work/open"
cp "$stages/zoo_manifest_minor.so" "$plugins/newer.so"
cp "$stages/zoo_no_manifest.so" "$plugins/library.so"
cp "$stages/zoo_lint_execstack.so" "$plugins/stack.so"
cp "$stages/zoo_undefined_symbol.so" "$plugins/symbols.so"
sed 's/libjemalloc\.so\.2/libjemallow.so.2/' "$stages/zoo_lint_allocator.so" > "$plugins/nolibrary.so" # needs a library that is nowhere

# ---- the doors

check() { timeout 90 "$penstock" check; }
inspect() { timeout 90 "$penstock" plugin inspect "$file"; }
try() { timeout 60 "$penstock" plugin test "$file"; }
load() { timeout 60 "$penstock" reload --wait -s name=one -s "run_dir=$work/one"; }

# row FILE TEXT [DOOR...]: every door refuses it with these words
row() {
	local name=$1 text=$2 door file doors
	shift 2
	doors=("$@")
	[ $# -gt 0 ] || doors=(check inspect try load)
	file=$plugins/$name.so
	[ -e "$file" ] || file=$work/open/$name.so
	pipeline q "name = \"only\"; plugin = \"$name\";"
	for door in "${doors[@]}"; do
		if "$door" > "$work/door.out" 2>&1; then
			is "$name: $door refuses it" "$text" 'it does not'
		else
			ok "$name: $door refuses it" grep -F -- "$text" "$work/door.out" || cat "$work/door.out"
		fi
	done
}

row text      'not a shared object (no ELF file)'
row empty     'not a shared object (no ELF file)'
row folder    'folder.so is not a file'
row fifo      'fifo.so is not a file'
row truncated 'truncated: segment'
row machine   'made for an unknown machine (ELF machine 499)'
row newer     'needs ABI 1.5 or later, this host has 1.1'
row library   'no section .penstock.manifest'
row stack     'it asks for a stack that can be executed'
row writable  'writable.so may be written by everybody (mode 0666)' check load # to look at it is no harm
row lent      "$work/open may be written by everybody (mode 0777)" check load
row symbols   'undefined symbol: zoo_nowhere'
row nolibrary 'libjemallow.so.2: cannot open shared object file'

# ---- and the host

rm "$work/pipelines.d/q.conf"
enqueue_n p 10
done_all() { [ "$(settled_n p)" = 10 ]; }
ok 'the host works on' wait_for 90 done_all
ok 'by its first configuration' test "$("$penstock" host status --json -s name=one -s "run_dir=$work/one" | jq .generation)" -eq 1
ok 'no process of it died' test "$(grep -c 'a host process died' "$work/one.log")" -eq 0
ok 'it drains' stop_host "$host"
