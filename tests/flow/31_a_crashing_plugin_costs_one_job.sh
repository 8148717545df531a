#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Jobs that kill the host's process, in every way there is: they alone are charged and become dead
# letters, and all others are done, each once.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
not_sanitized "they have handlers of their own for crashes"

configure
pipeline risky 'name = "before"; plugin = "echo";' 'name = "risk"; plugin = "crash"; max_attempts = 9;' \
	'name = "after"; plugin = "insert";'
sed -i 's/name = "before";/name = "before"; max_attempts = 2;/' "$work/pipelines.d/risky.conf"
start_database
sql 'create table effect (job bigint primary key); grant insert on effect to penstock_host'
start_host one

enqueue_n risky 300
bad=$(sql "select string_agg(id::text, ',' order by o) from unnest(penstock.enqueue_many('risky', array['{\"crash\": \"segv\"}', '{\"crash\": \"abort\"}', '{\"crash\": \"overflow\"}']::json[])) with ordinality u(id, o)")
enqueue_n risky 300
ok 'the pipeline comes to an end' exits 1 "$penstock" wait risky --timeout 300s
is 'the jobs that crash are dead letters' "$bad" "$(sql "select string_agg(id::text, ',' order by id) from penstock.jobs where state = 'dead'")"
is 'each was charged twice, and says so' 'CRASHED 6' "$(sql "select code || ' ' || count(*) from penstock.failure where job in ($bad) group by code")"
ok 'with the signal' sql_is "select count(*) from penstock.failure where job = ${bad%%,*} and message like '%signal 11%'" 2
ok 'and the stage' sql_is "select distinct l.stage from penstock.failure f join penstock.lane l on l.id = f.lane" risk
is 'all others are done' 600 "$(settled_n risky)"
is 'each with its effect once' 600 "$(sql 'select count(*) from effect')"
is 'no other job was charged' 0 "$(sql "select count(*) from penstock.failure where job not in ($bad)")"
ok 'the log names the stage' grep -q 'a worker was inside a stage when its process died.*stage=risk' "$work/one.log"

# ---- where nobody is named: killed from outside, or gone without a signal

killer=$("$penstock" enqueue risky '{"crash": "exit"}')
enqueue_n risky 7
ok 'what leaves no trace is found by halves' exits 1 "$penstock" wait risky --timeout 300s
is 'and is dead alone' "$killer LOST" "$(sql "select string_agg(distinct f.job || ' ' || f.code, ', ') from penstock.failure f where job not in ($bad)")"
is 'all others are done' 607 "$(settled_n risky)"
is 'each with its effect once' 607 "$(sql 'select count(*) from effect')"
ok 'the queue is in order' "$penstock" verify
