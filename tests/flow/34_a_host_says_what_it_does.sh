#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The control socket, and what systemd is told. A datagram socket of our own stands for systemd's.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

of_one() { "$penstock" "$@" -s name=one -s "run_dir=$work/one"; }
told() { grep -q "$1" "$work/told"; }
told_of() { [ "$(grep -c "$1" "$work/told")" = "$2" ]; } # LINE N
# as a user who is nobody here, and cannot look into a checkout below /root
as_other() { install "$penstock" "$work/penstock" && runuser -u nobody -- env PENSTOCK_CONF="$PENSTOCK_CONF" PENSTOCK_STRICT_FILES=false "$@"; }

configure 'workers = 2;'
pipeline docs 'name = "a"; plugin = "slow";'
start_database

# systemd's side: each datagram's lines, and a line between them
: > "$work/told"
perl -MSocket -e '$| = 1; socket(S, AF_UNIX, SOCK_DGRAM, 0); bind(S, sockaddr_un($ARGV[0])) or die; while (defined recv(S, $m, 4096, 0)) { print "$m\n--\n" }' \
	"$work/notify" > "$work/told" &
hosts+=($!)
ok 'systemd listens' wait_for 90 test -S "$work/notify"
export NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=1000000
start_host one
unset NOTIFY_SOCKET WATCHDOG_USEC
ok 'it is told when the host is ready' wait_for 90 told '^READY=1'
ok 'with what it runs' wait_for 90 told 'STATUS=1 stages in 1 pipelines, 2 workers in 1 processes'
ok 'and that it lives' wait_for 90 told '^WATCHDOG=1'

# ---- questions ----

is 'the host says who it is' "one $host working" "$(of_one host status --json | jq -r '"\(.name) \(.pid) \(.state)"')"
processes() { [ "$(of_one host status --json | jq -r '.processes[] | "\(.pid) \(.phase) \(.workers) \(.connections)"')" = "$1" ]; }
ok 'its processes' wait_for 90 processes "$(child_of one) ready 2 3"
ok 'its memory' test "$(of_one host status --json | jq '.processes[0].memory')" -gt 1000000
ok 'for people' says 'generation    1' of_one host status
is 'each value in the same column' 1 "$(of_one host status | sed '/^$/,$d' | awk '{ print length($1) + match(substr($0, length($1) + 1), /[^ ]/) }' | sort -u | wc -l)"
busy() { of_one host workers --json | jq -e --arg job "$1" '.[] | select(.state == "in stage" and (.job | tostring) == $job and .stage == "a" and .pipeline == "docs" and .leased == 1)'; }
job=$("$penstock" enqueue docs '{"until_cancelled": true}' --json | grep -o '[0-9]*' | head -n 1)
ok 'a worker says in which stage it is, with which job' wait_for 90 busy "$job"
ok 'the other one says that it is idle' wait_for 90 of_one host workers
is 'there are two' 2 "$(of_one host workers --json | jq length)"
ok 'for people, too' says 'in stage' of_one host workers
"$penstock" job cancel "$job" -q
ok 'the job is let go' wait_for 90 sql_is "select state from penstock.job_state($job)" cancelled

# ---- changes ----

ok 'the log level changes at once' of_one host log debug -q
is 'in the whole host' debug "$(of_one host status --json | jq -r .log_level)"
ok 'a level that is none is refused' exits 2 of_one host log loud
ok 'a reload leaves it' of_one reload --wait -q
is 'as it was set by hand' debug "$(of_one host status --json | jq -r .log_level)"
echo 'log_level = "warning";' >> "$work/penstock.conf"
ok 'unless the files say another one' of_one reload --wait -q
is 'which then holds' warning "$(of_one host status --json | jq -r .log_level)"
ok 'systemd is told of a reload' wait_for 90 told '^RELOADING=1'
ok 'with the time' wait_for 90 told '^MONOTONIC_USEC=[1-9]'
ok 'and of its end, each time' wait_for 90 told_of '^READY=1' 3
echo 'x = 1;' > "$work/pipelines.d/bad.conf"
kill -HUP "$host"
ok 'also when it is rejected' wait_for 90 told '^STATUS=reload rejected: '
rm "$work/pipelines.d/bad.conf"

# ---- who may ----

is 'one socket is the service'"'"'s, one is open' '660 666' "$(stat -c %a "$work/one/one.control" "$work/one/one.control-read" | tr '\n' ' ' | sed 's/ $//')"
if [ "$(id -u)" -eq 0 ]; then
	ok 'anybody may ask' as_other "$work/penstock" host status -s name=one -s "run_dir=$work/one"
	ok 'but not change' says 'may not use' as_other "$work/penstock" host stop -s name=one -s "run_dir=$work/one"
	chmod 666 "$work/one/one.control"
	ok 'not even where the file would let him' says "only root, the service's user and its group" as_other "$work/penstock" host stop -s name=one -s "run_dir=$work/one"
	ok 'and is told so by the exit code' exits 1 as_other "$work/penstock" host stop -s name=one -s "run_dir=$work/one"
fi
ask() { perl -MSocket -e 'alarm 90; socket(S, AF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un($ARGV[0])) or die; syswrite S, $ARGV[1]; shutdown(S, 1) if $ARGV[2]; print while <S>' "$@"; }
ok 'the open one changes nothing' says 'only answers questions' ask "$work/one/one.control-read" $'stop\n'
ok 'nonsense is answered' says 'there is no command' ask "$work/one/one.control-read" $'\001\002GET / HTTP/1.1\r\n\r\n'
ok 'also when it does not end' says 'at most 128 bytes' ask "$work/one/one.control-read" "$(head -c 100000 /dev/zero | tr '\0' x)"
before=$(of_one host status --json | jq '.processes | length')
perl -MSocket -e 'for (1 .. 200) { socket($s[$_], AF_UNIX, SOCK_STREAM, 0); connect($s[$_], sockaddr_un($ARGV[0])); syswrite $s[$_], "sta" } $| = 1; print "crowd\n"; sleep 600' "$work/one/one.control-read" > "$work/crowd" &
crowd=$!
hosts+=("$crowd")
ok 'a crowd comes' wait_for 90 test -s "$work/crowd"
ok 'a crowd that says nothing does not keep others out' wait_for 90 of_one host status
is 'nor does it disturb the host' "$before" "$(of_one host status --json | jq '.processes | length')"
ok 'its descriptors are bounded' test "$(find "/proc/$host/fd" | wc -l)" -lt 90
kill "$crowd"
wait "$crowd" 2> /dev/null
ok 'the work goes on' "$penstock" verify -q

# ---- a process that does not move ----

child=$(child_of one)
kill -STOP "$child"
ok 'when a process stands still it is said' wait_for 90 grep -q 'does not move' "$work/one.log"
count=$(grep -c '^WATCHDOG=1' "$work/told")
more() { [ "$(grep -c '^WATCHDOG=1' "$work/told")" -gt "$1" ]; }
kill -CONT "$child"
ok 'and systemd is told again when it moves' wait_for 90 more "$count"

# ---- the end ----

ok 'told to stop, it drains' of_one host stop -q
wait "$host"
is 'and ends well' 0 $?
ok 'systemd is told' wait_for 90 told '^STOPPING=1'
ok 'without a host there is nobody to ask' says 'no host of this name runs here' of_one host status
ok 'which is told by the exit code' exits 2 of_one host status
is 'no socket is left' 0 "$(find "$work/one" -name '*control*' | wc -l)"
