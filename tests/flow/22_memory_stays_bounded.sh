#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Backlogs of 200 MB: what a host needs follows from the size of its leases, not from what waits.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
not_sanitized "they need memory of their own"

configure 'workers = 2;' 'lease_bytes = "2MiB";'
pipeline bulk 'name = "a"; plugin = "echo";' 'name = "b"; plugin = "echo"; durable = true;'
start_database
start_host one -w 2
peak() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(child_of "$1")/status"; }
enqueue_n bulk 10
ok 'a few jobs go through' wait_for 90 sql_is "select coalesce(sum(n), 0) from penstock.settled" 10
before=$(peak one)
backlog() { # adds 200 MB
	sql "select count(penstock.enqueue('bulk', '{}', decode(repeat('5a', 10240), 'hex'))) from generate_series(1, 10000)" > /dev/null
	sql "select count(penstock.enqueue('bulk', '{}', decode(repeat('5a', 65536), 'hex'))) from generate_series(1, 1600)" > /dev/null
}
backlog
ok 'a backlog of 200 MB is worked off' wait_for 300 sql_is "select coalesce(sum(n), 0) from penstock.settled" 11610
first=$(peak one)
# each of two workers holds a lease of 2 MiB, the reply that it came in, its outputs, and what is sent of them
ok "the host grew by $(((first - before) / 1024)) MiB" test $((first - before)) -le $((96 * 1024))
backlog
ok 'another one as well' wait_for 300 sql_is "select coalesce(sum(n), 0) from penstock.settled" 23210
again=$(peak one)
# how leases fall together varies; what waits does not count
ok "with 400 MB in all it grew by $(((again - before) / 1024)) MiB" test $((again - before)) -le $((96 * 1024))
is 'each body was seen whole' 2 "$(sql "select count(distinct attributes->>'saw_bytes') from penstock.output where attributes->>'saw_bytes' in ('10240', '65536')")"
is 'and carried on unchanged' '0' "$(sql "select count(*) from penstock.output where body is not null and length(body) not in (10240, 65536)")"
ok 'the queue is in order' "$penstock" verify -q
ok 'the host drains' stop_host "$host"
