#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A host in a control group with a quota and a limit of memory takes sizes that fit.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

status() { "$penstock" host status --json -s name=one -s "run_dir=$work/one" | jq -r "$1"; }

configure 'processes = 1;'
pipeline p 'name = "a"; plugin = "echo";'
start_database
start_host one
ok 'without a quota there is a worker for each core' test "$(status '.processes[0].workers')" -le "$(nproc)"
ok 'the memory is as configured, or as a limit leaves it' test "$(status .worker_memory)" -le $((1 << 30))
ok 'it drains' stop_host "$host"

# groups of version 1, where they can be made
cpu=$(awk '$0 ~ / - cgroup / && $NF ~ /(^|,)cpu(,|$)/ { print $5; exit }' /proc/self/mountinfo)
memory=$(awk '$0 ~ / - cgroup / && $NF ~ /(^|,)memory(,|$)/ { print $5; exit }' /proc/self/mountinfo)
group=penstock-flow.$$
if [ -n "$cpu" ] && [ -n "$memory" ] && mkdir "$cpu/$group" "$memory/$group" 2> /dev/null &&
	echo 50000 > "$cpu/$group/cpu.cfs_quota_us" && echo 536870912 > "$memory/$group/memory.limit_in_bytes"; then
	(
		echo "$BASHPID" > "$cpu/$group/cgroup.procs" && echo "$BASHPID" > "$memory/$group/cgroup.procs" &&
			exec "$penstock" run -s name=one -s "run_dir=$work/one" -s "state_dir=$work/state" >> "$work/one.log" 2>&1
	) &
	host=$!
	hosts+=("$host")
	ok 'a host starts in a group' wait_for 90 listed one
	is 'half a core is one worker' '0.5 1' "$(status '"\(.cpus) \(.processes[0].workers)"')"
	quota_shown() { "$penstock" host status -s name=one -s "run_dir=$work/one" | grep -qE '^cpus +0\.5$'; }
	ok 'people are shown it, too' quota_shown
	is 'its limit of memory is seen' 536870912 "$(status .memory_limit)"
	is 'three quarters are for the worker' 402653184 "$(status .worker_memory)"
	ok 'which is told' grep -q 'the configured memory does not fit into this control group.*limit="512 MiB" worker_memory="384 MiB"' "$work/one.log"
	echo 268435456 > "$memory/$group/memory.limit_in_bytes"
	ok 'a reload looks again' "$penstock" reload --wait -q -s name=one -s "run_dir=$work/one"
	is 'and takes what is there now' 201326592 "$(status .worker_memory)"
	ok 'jobs are done' "$penstock" enqueue -q p '{}'
	ok 'all of them' "$penstock" wait -q p --timeout 300s
	ok 'it drains, too' stop_host "$host"
	wait_for 90 rmdir "$cpu/$group"
	wait_for 90 rmdir "$memory/$group"
else
	rmdir "$cpu/$group" "$memory/$group" 2> /dev/null
	echo 'skipped: no control groups of version 1 can be made here'
fi
