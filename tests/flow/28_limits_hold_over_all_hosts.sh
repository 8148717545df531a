#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Jobs at once, and jobs in a time, of one stage and of one key, over two hosts; queues that are full.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 4; poll_most = "20ms"; lease_time = "5ms";'
pipeline few 'name = "a"; plugin = "echo";' 'name = "b"; plugin = "slow"; max_running = 3; options = { sleep = "20ms"; };' 'name = "c"; plugin = "echo";'
pipeline slowly 'name = "a"; plugin = "echo"; rate = "40/s"; burst = 10;'
pipeline tight 'name = "a"; plugin = "echo"; max_ready = 20; when_full = "refuse";' 'name = "b"; plugin = "echo"; durable = true; max_ready = 30;'
pipeline keyed 'name = "a"; plugin = "echo"; durable = true;' 'name = "b"; plugin = "slow"; limit_key = "of"; max_running_per_key = 2; options = { sleep = "20ms"; };'
pipeline counted 'name = "a"; plugin = "noop"; limit_key = "of"; max_running_per_key = 32;'
start_database
start_host one
start_host two

# what runs at once is noted by each claim: claims of a limited lane take turns
sql "create table public.at_once (lane int, n int);
     create function public.note() returns trigger language plpgsql security definer as
     'begin insert into public.at_once select new.lane, sum(n) from penstock.lease where lane = new.lane; return null; end';
     create trigger note after insert on penstock.lease for each row execute function public.note()"
# some run until they are told to end, so that the limit is reached on any machine
stay='"until_cancelled": true'
cancel_stay() { "$penstock" jobs cancel -p "$1" --attribute until_cancelled=true --confirm; }
enqueue_n few 5 "{$stay}"
ok 'of a limited stage as many run as may' wait_for 90 sql_is "select running from penstock.lanes where pipeline = 'few' and stage = 'b'" 3
enqueue_n few 60
ok 'further jobs wait in front of it' wait_for 90 sql_is "select ready from penstock.lanes where pipeline = 'few' and stage = 'b'" 62
ok 'nor does one of them run' sql_is "select running from penstock.lanes where pipeline = 'few' and stage = 'b'" 3
ok 'some end' cancel_stay few
ok 'then the others are done' wait_for 90 sql_is "select coalesce(sum(ready + running), 0) from penstock.lanes where pipeline = 'few'" 0
is 'three at once, and never more' 3 "$(sql "select max(n) from public.at_once a join penstock.lanes l using (lane) where l.pipeline = 'few' and l.stage = 'b'")"
is 'all are done' 60 "$(sql "select sum(n) from penstock.settled s join penstock.lanes l using (lane) where l.pipeline = 'few' and s.outcome = 2")"

# ---- at most two of each key, over both hosts; one key has most of the jobs
running_of() { sql_is "select coalesce(max(k.n), 0) from penstock.lane l, penstock.running_keys(l.id) k where l.limit_key is not null and k.key = '$1'" "$2"; }
enqueue_n keyed 3 "{\"of\": \"busy\", $stay}"
ok 'of a key as many run as may' wait_for 90 running_of busy 2
sql "select count(*) from (select penstock.enqueue('keyed', json_build_object('of', case when g % 4 = 0 then 'k' || g % 12 else 'busy' end)) from generate_series(1, 120) g) s" > /dev/null
ok 'jobs of other keys do not wait for them' wait_for 90 sql_is "select count(*) from penstock.settled s join penstock.job j on s.jobs @> j.id where j.attributes ->> 'of' like 'k%'" 30
ok 'which run still, and no further one' running_of busy 2
ok 'they end' cancel_stay keyed
most=0
until sql_is "select coalesce(sum(ready + running + waiting), 0) from penstock.lanes where pipeline = 'keyed'" 0 > /dev/null; do
	now=$(sql "select coalesce(max(k.n), 0) from penstock.lane l, penstock.running_keys(l.id) k where l.limit_key is not null")
	[ "$now" -gt "$most" ] && most=$now
done
ok "at most two of a key ran at once: $most" test "$most" -le 2
is 'all are done' 120 "$(sql "select sum(n) from penstock.settled s join penstock.lanes l using (lane) where l.pipeline = 'keyed' and s.outcome = 2")"

# ---- far from the limit hosts count the keys themselves: a lease with more of one than may run is given back, and compared
counted() { sql "select cardinality(penstock.enqueue_many('counted', array(select json_build_object('of', $1) from generate_series(1, 3000) g)))" > /dev/null; }
largest() { sql "select coalesce(max(n), 0) from penstock.settled s join penstock.lanes l using (lane) where l.pipeline = 'counted'"; }
all_counted() { wait_for 90 sql_is "select coalesce(sum(ready + running + waiting), 0) from penstock.lanes where pipeline = 'counted'" 0; }
counted "'x'"
ok 'jobs of one key are done' all_counted
ok "not more than 32 at once: $(largest)" test "$(largest)" -le 32
counted g
ok 'jobs of many keys are done' all_counted
ok "in large leases: $(largest)" test "$(largest)" -gt 32
is 'all of them' 6000 "$(settled_n counted)"

sql 'select clock_timestamp()' > "$work/began"
enqueue_n slowly 60
ok 'jobs with a rate are done, too' wait_for 90 sql_is "select coalesce(sum(n), 0) from penstock.settled s join penstock.lane l on l.id = s.lane where l.rate is not null" 60
took=$(sql "select extract(epoch from max(at) - '$(cat "$work/began")') from penstock.settled s join penstock.lane l on l.id = s.lane where l.rate is not null")
ok "not faster than their rate: 50 behind the burst in $took s" awk -v s="$took" 'BEGIN { exit !(s >= 50 / 40) }'
# ---- full queues

"$penstock" pause -q tight b
enqueue_n tight 15
ok 'what is enqueued goes on to the paused stage' wait_for 90 sql_is "select ready from penstock.lanes where pipeline = 'tight' and stage = 'b'" 15
enqueue_n tight 15
ok 'where the queue is full then' wait_for 90 sql_is "select full_since is not null from penstock.lanes where pipeline = 'tight' and stage = 'b'" t
enqueue_n tight 20
ok 'so that the first stage is held' wait_for 90 sql_is "select held_since is not null and ready = 20 from penstock.lanes where pipeline = 'tight' and stage = 'a'" t
ok 'and full itself' wait_for 90 sql_is "select full_since is not null from penstock.lanes where pipeline = 'tight' and stage = 'a'" t
ok 'enqueue refuses' says "in front of stage 'a' is full" "$penstock" enqueue tight
ok 'for now' exits 3 "$penstock" enqueue tight
"$penstock" resume -q tight
ok 'resumed, all goes on' wait_for 90 sql_is "select sum(ready + running) from penstock.lanes where pipeline = 'tight'" 0
ok 'and there is room again' wait_for 90 "$penstock" enqueue tight

ok 'check tells of a limit that is none' says 'rate must be a rate like' bash -c "echo 'pipeline: { name = \"x\"; stages = ( { name = \"s\"; plugin = \"echo\"; rate = \"fast\"; } ); };' > '$work/pipelines.d/x.conf'; '$penstock' check; rm '$work/pipelines.d/x.conf'"
ok 'check tells of a limit without its key' says 'max_running_per_key needs limit_key' bash -c "echo 'pipeline: { name = \"x\"; stages = ( { name = \"s\"; plugin = \"echo\"; max_running_per_key = 2; } ); };' > '$work/pipelines.d/x.conf'; '$penstock' check; rm '$work/pipelines.d/x.conf'"
ok 'the queue is in order' "$penstock" verify -q
for pid in "${hosts[@]}"; do ok 'a host drains' stop_host "$pid"; done
