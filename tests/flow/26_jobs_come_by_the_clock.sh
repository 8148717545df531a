#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Schedules: made by the command line, fired once over two hosts, caught up after an outage.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 1;'
pipeline clock 'name = "a"; plugin = "echo";'
start_database
start_host one
start_host two

ok 'a schedule is made' "$penstock" schedule put nightly clock '30 2 * * mon-fri' '{"kind": "night"}' --time-zone Europe/Berlin
ok 'and listed' says 'Europe/Berlin' "$penstock" schedule list
is 'it fires at its next time' '02:30' "$(sql "select to_char(next_at at time zone 'Europe/Berlin', 'HH24:MI') from penstock.schedules")"
ok 'a wrong expression is told' says "hour '25' is not 0 to 23" "$penstock" schedule put x clock '0 25 * * *'
ok 'and is wrong input' exits 2 "$penstock" schedule put x clock '0 25 * * *'
ok 'a pipeline that is not there is told' exits 2 "$penstock" schedule put x clok @daily
job=$("$penstock" schedule run nightly --json | grep -o '[0-9]*')
ok 'run now makes a job' wait_for 20 sql_is "select state from penstock.job_state($job)" completed
is 'which says where it came from' 'nightly night' "$(sql "select (attributes->>'schedule') || ' ' || (attributes->>'kind') from penstock.job where id = $job")"

sql "update penstock.schedule set next_at = clock_timestamp() + interval '300 ms'"
ok 'when it is due it fires' wait_for 20 sql_is "select count(*) from penstock.job where attributes->>'schedule' = 'nightly'" 2
ok 'and its job ends' wait_for 20 sql_is "select coalesce(sum(n), 0) from penstock.settled" 2
for _ in 1 2 3 4 5; do
	before=$(sql "select last_at from penstock.schedules")
	sql "update penstock.schedule set next_at = clock_timestamp()"
	wait_for 20 sql_is "select last_at is distinct from '$before'::timestamptz from penstock.schedules" t
done
is 'once each time, though two hosts look' 7 "$(sql "select count(*) from penstock.job where attributes->>'schedule' = 'nightly'")"

for pid in "${hosts[@]}"; do ok 'a host drains' stop_host "$pid"; done
"$penstock" schedule put -q often clock '*/10 * * * *' --catch-up all
sql "update penstock.schedule set next_at = date_trunc('hour', now()) - interval '1 hour' where name = 'often'"
start_host three
ok 'what was missed is caught up' wait_for 20 sql_is "select count(*) >= 6 from penstock.job where attributes->>'schedule' = 'often'" t
is 'each time once' 0 "$(sql "select count(*) - count(distinct attributes->>'scheduled_at') from penstock.job where attributes->>'schedule' = 'often'")"
ok 'dropped' "$penstock" schedule drop often
ok 'gone' exits 1 "$penstock" schedule drop often
ok 'the queue is in order' "$penstock" verify -q
ok 'the host drains' stop_host "$host"
