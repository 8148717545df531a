#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Fan-out and fan-in: a stage splits a job, the parts run on their own, and the job goes on when they ended.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 2;'
pipeline tree 'name = "split"; plugin = "split"; routes = { part = "part"; done = "join"; elsewhere = "pipeline:small"; lost = "end"; };' \
	'name = "part"; plugin = "outcome"; max_attempts = 1; routes = { done = "end"; };' \
	'name = "join"; plugin = "echo";'
pipeline small 'name = "only"; plugin = "echo";'
start_database
start_host one
state_is() { sql_is "select state from penstock.job_state($1)" "$2"; }
put() { "$penstock" enqueue tree "$1"; }
parts() { sql "select coalesce(string_agg(state, ' ' order by id), '') from penstock.children($1)"; }

id=$(put '{"parts": [{"n": 1}, {"n": 2}, {"n": 3}]}')
ok 'a job goes on when its parts are done' wait_for 90 state_is "$id" completed
is 'each part ended' 'completed completed completed' "$(parts "$id")"
is 'with its own message' '1 2 3' "$(sql "select string_agg(attributes->>'n', ' ' order by id) from penstock.children($id)")"
is 'and body' 'part 2' "$(sql "select convert_from(body, 'utf8') from penstock.job where parent = $id order by id offset 2 limit 1")"
ok 'the job kept what the split made of it' says '"split_into": 3' "$penstock" job output "$id"
is 'it joined after its parts' t "$(sql "select bool_and(s.at <= (select at from penstock.settled where jobs @> $id::bigint)) from penstock.job j join penstock.settled s on s.jobs @> j.id where j.parent = $id")"

id=$(put '{"parts": [{"n": 1}, {"do": "fail", "code": "BROKEN"}]}')
ok 'a job dies of a part that failed' wait_for 90 state_is "$id" dead
ok 'and says why' says '1 of its 2 children' "$penstock" job show "$id"
id=$(put '{"join": "any", "parts": [{"n": 1}, {"do": "fail", "code": "BROKEN"}]}')
ok 'or goes on if it does not mind' wait_for 90 state_is "$id" completed
id=$(put '{"parts": []}')
ok 'without parts it goes on at once' wait_for 90 state_is "$id" completed
id=$(put '{"join": "none", "by": "elsewhere", "parts": [{"n": 1}]}')
ok 'without waiting, too' wait_for 90 state_is "$id" completed
ok 'parts may run in another pipeline' wait_for 90 sql_is "select s.pipeline || ' ' || s.state from penstock.job j, penstock.job_state(j.id) s where j.parent = $id" 'small completed'
id=$(put '{"by": "nowhere", "parts": [{}]}')
ok 'a route that is not declared is refused' wait_for 90 sql_is "select code from penstock.failure where job = $id" BAD_CHILD

# ---- waiting

"$penstock" pause -q tree part
id=$(put '{"parts": [{"n": 1}, {"n": 2}]}')
ok 'it waits' wait_for 90 state_is "$id" waiting
ok 'lanes shows it' sql_is "select waiting from penstock.lanes where pipeline = 'tree' and stage = 'join'" 1
ok 'wait waits for it' exits 1 "$penstock" wait tree --timeout 300ms
"$penstock" job cancel "$id" > /dev/null
is 'cancelled with its parts' 'cancelled cancelled cancelled' "$(sql "select state from penstock.job_state($id)") $(parts "$id")"
"$penstock" resume -q tree

# ---- many, over two hosts, one of which is killed

start_host two
sql "select count(*) from unnest(penstock.enqueue_many('tree', array(select json_build_object('parts', (select json_agg(json_build_object('n', m)) from generate_series(1, 20) m)) from generate_series(1, 100))))" > /dev/null
sql "select count(*) from unnest(penstock.enqueue_many('tree', array(select '{\"parts\": [{}]}'::json from generate_series(1, 300))))" > /dev/null
kill -KILL "$(child_of two)"
ok 'all come to their end' wait_for 90 sql_is "select count(*) from penstock.jobs where state in ('ready', 'running', 'deferred', 'waiting')" 0
is 'each parent and part once' 2700 "$(sql "select count(*) from penstock.jobs j where id > $id + 2 and state = 'completed'")"
ok 'nothing waits any more' sql_is 'select count(*) from penstock.child' 0
ok 'the queue is in order' "$penstock" verify -q
for pid in "${hosts[@]}"; do ok 'a host drains' stop_host "$pid"; done
