#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The full screen of `penstock top`, looked at through tmux: its size changes, the database goes,
# the host ends, and the terminal is as it was.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 2; lease_time = "50ms";'
pipeline slow 'name = "first"; plugin = "burden";' 'name = "sleeper"; plugin = "burden"; options: { wait_us = 2000; };'
pipeline other 'name = "computes"; plugin = "burden"; options: { cpu_us = 300; };'
start_database
start_host one
enqueue_n slow 100000
top() { "$penstock" top -s name=one -s "run_dir=$work/one" "$@"; }

# ---- without a terminal

ok 'without a terminal it says what to do' says '--once' top
ok 'and gives the code of wrong use' exits 2 top
ok 'a frame as text has the stages' says 'slow/sleeper' top --once
ok 'a column that is none is refused with those that are' says 'order rate' top --once --sort wealth
line=$(top --json --every 200ms)
is 'JSON is one line' 1 "$(wc -l <<< "$line")"
is 'with a row for each stage' 'computes first sleeper' \
	"$(echo "select string_agg(s->>'stage', ' ' order by s->>'stage') from json_array_elements(:'j'::json->'stages') s" | psql -X -q -A -t -d "$admin" -v "j=$line")"
is 'a wide screen says how long jobs wait' 1 "$(COLUMNS=100 top --once --every 200ms | grep -c 'AGE  WAITS')"
is 'a narrow one has no room for it' 0 "$(COLUMNS=80 top --once --every 200ms | grep -c WAITS)"
is 'no line of a frame is wider than asked' 0 "$(COLUMNS=80 top --once --every 200ms | sed 's|█|#|g' | awk 'length($0) > 80' | wc -l)"

# ---- on a screen

command -v tmux > /dev/null || { echo "        no tmux: the screen is not tried"; exit; }
tmux() { command tmux -L "penstock-$$" -f /dev/null "$@"; }
old_finish=$(declare -f finish)
eval "${old_finish/finish/finish_flow}"
finish() { tmux kill-server 2> /dev/null; finish_flow; }
screen() { tmux capture-pane -p -t top; }
shows() { wait_for 90 sh -c "command tmux -L penstock-$$ capture-pane -p -t top | grep -qF -e '$1'" || { screen; return 1; }; }
tmux new-session -d -s top -x 80 -y 24 "env -u NO_COLOR TERM=screen-256color bash --norc --noprofile"
tmux send-keys -t top "PS1='at the prompt '; stty -a > '$work/stty.before'; clear" Enter
shows 'at the prompt'
command_line="$penstock top -s name=one -s run_dir=$work/one --every 200ms"
tmux send-keys -t top "$command_line" Enter
ok 'the screen comes up' shows 'slow/sleeper'
ok 'with its keys at the bottom of 80x24' shows 'q quit'
is 'in the last of 24 lines' 24 "$(screen | grep -n 'q quit' | cut -d: -f1)"
tmux resize-window -t top -x 200 -y 60
ok 'it follows a change of size' wait_for 90 sh -c "command tmux -L penstock-$$ capture-pane -p -t top | grep -n 'q quit' | grep -q '^60:'"
tmux resize-window -t top -x 70 -y 12
ok 'also to a small one' wait_for 90 sh -c "command tmux -L penstock-$$ capture-pane -p -t top | grep -n 'q quit' | grep -q '^12:'"
tmux resize-window -t top -x 80 -y 24
tmux send-keys -t top f
ok 'f shows one pipeline' shows 'filter: other'
tmux send-keys -t top f f
ok 'and all again' shows 'filter: all'
tmux send-keys -t top s
ok 's sorts' shows 'sort: rate'
tmux send-keys -t top p
ok 'p stops the display' shows 'display paused'
tmux send-keys -t top p h
ok 'h explains the columns' shows 'bytes that a job allocates'
tmux send-keys -t top x
ok 'any key goes back' shows 'slow/sleeper'

# ---- the world around it

"$cluster" kill9 "$work/pg"
ok 'it goes on without the database' shows 'queue and hosts not known'
"$cluster" restart "$work/pg"
ok 'and finds it again' shows 'oldest ready job'
stop_host "$host"
ok 'a host that ends leaves its last values' shows 'the host has ended'
start_host one
ok 'one that comes is found' wait_for 90 sh -c "! command tmux -L penstock-$$ capture-pane -p -t top | grep -q 'has ended'"
tmux send-keys -t top q
ok 'q goes back to the shell' shows 'at the prompt'
tmux send-keys -t top "stty -a > '$work/stty.after'; clear; echo don''e" Enter
ok 'which works' shows 'done'
ok 'the terminal is as it was' cmp "$work/stty.before" "$work/stty.after"
for signal in TERM HUP SEGV; do
	tmux send-keys -t top "clear; $command_line & echo \$! > '$work/top.pid'; fg" Enter
	shows 'slow/sleeper'
	kill "-$signal" "$(cat "$work/top.pid")"
	shows 'at the prompt'
	tmux send-keys -t top "stty -a > '$work/stty.after'; clear; echo don''e" Enter
	shows 'done'
	ok "also after SIG$signal" cmp "$work/stty.before" "$work/stty.after"
done
tmux send-keys -t top "clear; NO_COLOR=1 $command_line" Enter
ok 'it runs without colours' shows 'slow/sleeper'
is "and then sends none" 0 "$(tmux capture-pane -p -e -t top | grep -c "$(printf "\033\\[[0-9;]*3[0-7]m")")"
tmux send-keys -t top q
