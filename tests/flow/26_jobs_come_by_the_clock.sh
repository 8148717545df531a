#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Schedules: made by the command line and by configurations, fired once over two hosts, caught up after an outage.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 1;'
pipeline clock 'name = "a"; plugin = "echo";'
start_database
start_host one
start_host two

ok 'a schedule is made' "$penstock" schedule put nightly clock '30 2 29 feb *' '{"kind": "night"}' --time-zone Europe/Berlin
ok 'and listed' says 'Europe/Berlin' "$penstock" schedule list
is 'it fires at its next time' '02:30' "$(sql "select to_char(next_at at time zone 'Europe/Berlin', 'HH24:MI') from penstock.schedules")"
ok 'a wrong expression is told' says "hour '25' is not 0 to 23" "$penstock" schedule put x clock '0 25 * * *'
ok 'and is wrong input' exits 2 "$penstock" schedule put x clock '0 25 * * *'
ok 'a pipeline that is not there is told' exits 2 "$penstock" schedule put x clok @daily
job=$("$penstock" schedule run nightly --json | grep -o '[0-9]*')
ok 'run now makes a job' wait_for 90 sql_is "select state from penstock.job_state($job)" completed
is 'which says where it came from' 'nightly night' "$(sql "select (attributes->>'schedule') || ' ' || (attributes->>'kind') from penstock.job where id = $job")"

# its own time is seldom: it does not fire by itself while this runs
sql "update penstock.schedule set next_at = clock_timestamp() + interval '300 ms'"
ok 'when it is due it fires' wait_for 90 sql_is "select count(*) from penstock.job where attributes->>'schedule' = 'nightly'" 2
ok 'and its job ends' wait_for 90 sql_is "select coalesce(sum(n), 0) from penstock.settled" 2
for _ in 1 2 3 4 5; do
	before=$(sql "select last_at from penstock.schedules")
	sql "update penstock.schedule set next_at = clock_timestamp()"
	wait_for 90 sql_is "select last_at is distinct from '$before'::timestamptz from penstock.schedules" t
done
is 'once each time, though two hosts look' 7 "$(sql "select count(*) from penstock.job where attributes->>'schedule' = 'nightly'")"

for pid in "${hosts[@]}"; do ok 'a host drains' stop_host "$pid"; done
"$penstock" schedule put -q often clock '*/10 * * * *' --catch-up all
sql "update penstock.schedule set next_at = date_trunc('hour', now()) - interval '1 hour' where name = 'often'"
start_host three
ok 'what was missed is caught up' wait_for 90 sql_is "select count(*) >= 6 from penstock.job where attributes->>'schedule' = 'often'" t
is 'each time once' 0 "$(sql "select count(*) - count(distinct attributes->>'scheduled_at') from penstock.job where attributes->>'schedule' = 'often'")"
ok 'dropped' "$penstock" schedule drop often
ok 'gone' exits 1 "$penstock" schedule drop often
ok 'the queue is in order' "$penstock" verify -q
ok 'the host drains' stop_host "$host"

# ---- those of a configuration
cat > "$work/pipelines.d/clock.conf" <<'END'
pipeline: { name = "clock"; stages = ( { name = "a"; plugin = "echo"; } ); };
schedules = (
	{ name = "morning"; pipeline = "clock"; cron = "0 6 * * *"; time_zone = "Asia/Tokyo"; attributes: { kind = "early"; n = 3; }; },
	{ name = "evening"; pipeline = "clock"; cron = "0 18 * * *"; catch_up = "skip"; }
);
END
start_host four
is 'made at the start, beside that of the command' 'evening morning nightly' "$(sql "select string_agg(name, ' ' order by name) from penstock.schedules")"
ok 'the list says where each comes from' says "$work/pipelines.d/clock.conf:3" "$penstock" schedule list
ok 'they are changed there' says 'stands in a configuration' "$penstock" schedule put morning clock @daily
job=$("$penstock" schedule run morning --json | grep -o '[0-9]*')
is 'with its attributes' 'early 3' "$(sql "select (attributes->>'kind') || ' ' || (attributes->>'n') from penstock.job where id = $job")"
ok 'the host drains' stop_host "$host"
sed -i '/"evening"/d; s/};  *},$/}; }/; s/; },$/; }/' "$work/pipelines.d/clock.conf"
start_host five
is 'one that is gone from the configuration goes' 'morning nightly' "$(sql "select string_agg(name, ' ' order by name) from penstock.schedules")"
sql 'revoke select on penstock.schedules from penstock_host'
ok 'where its place cannot be looked up that is told' says 'permission denied for view schedules' "$penstock" schedule drop morning
is 'and nothing is dropped' 2 "$(sql 'select count(*) from penstock.schedules')"
sql 'grant select on penstock.schedules to penstock_host'
ok 'one that is dropped by hand comes again, and says where it stands' says "clock.conf:3 has it: it comes again" "$penstock" schedule drop morning
ok 'the host drains' stop_host "$host"
sed -i 's/Tokyo/Atlantis/' "$work/pipelines.d/clock.conf"
ok 'what only the database knows is told with its place' says "clock.conf:3: schedule 'morning': there is no time zone 'Asia/Atlantis'" "$penstock" run -s "run_dir=$work/six" -s "state_dir=$work/state"

# ---- check and the database read expressions alike, in the same words
pipeline clock 'name = "a"; plugin = "echo";'
cat > "$work/expressions" << 'END'
* * * * *
*/15 0-6/2 1,15 jan-mar mon-fri
@daily
@Weekly
@never
59 23 31 12 7
60 * * * *
* 24 * * *
* * 0 * *
* * 32 * *
* * * 13 *
* * * * 8
* * * foo *
* * * jan,feb,foo *
* * * * sat-sun
5-1 * * * *
*/0 * * * *
*/100 * * * *
1/5 * * * *
1-/5 * * * *
1,,2 * * * *
, * * * *
- * * * *
a * * * *
abcd * * * *
1x * * * *
123 * * * *
** * * * *
*-5 * * * *
MON * * * *
* * * * MON
* * * *
* * * * * *

0 0 30 feb *
0 0 29 feb *
0 0 30 2 mon
0 0 31 4,6,9,11 *
END
awk -v q='"' '{ printf "%s { name = %sx%d%s; pipeline = %sclock%s; cron = %s%s%s; }\n", NR == 1 ? "schedules = (" : ",", q, NR, q, q, q, q, $0, q } END { print ");" }' \
	"$work/expressions" > "$work/pipelines.d/x.conf"
"$penstock" check 2>&1 | sed -n 's/^[^ ]*x.conf:\([0-9]*: cron: .*\)/\1/p' > "$work/checked"
psql -X -q -A -t -v ON_ERROR_STOP=1 -v list="$(cat "$work/expressions")" -d "$admin" > "$work/told" << 'END'
create function pg_temp.said(cron text) returns text language plpgsql as $$
begin
	return case when penstock.cron_next(cron, 'UTC', '2026-01-01') is null then format('cron: ''%s'' names no time in the next 9 years', cron) end;
exception
	when sqlstate 'PS004' then return sqlerrm;
end $$;
select n || ': ' || pg_temp.said(cron) from string_to_table(:'list', E'\n') with ordinality as e(cron, n) where pg_temp.said(cron) is not null order by n;
END
rm "$work/pipelines.d/x.conf"
is 'most of these are wrong' 29 "$(wc -l < "$work/checked")"
ok 'and check and the database say the same of them' diff "$work/checked" "$work/told"
