#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Ordering keys over two hosts, one of which is killed: the effects of one key come in the order of enqueueing,
# and other keys and jobs without one go on beside.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 2;'
pipeline ledger 'name = "a"; plugin = "echo";' 'name = "b"; plugin = "insert"; durable = true; max_attempts = 2;'
pipeline flaky 'name = "a"; plugin = "outcome"; max_attempts = 2; backoff = "300ms";'
start_database
sql 'create table effect (job bigint primary key, seq bigserial); grant insert on effect to penstock_host; grant usage on effect_seq_seq to penstock_host'
start_host one
start_host two

# a job that retries holds up those behind it, and nobody else
first=$("$penstock" enqueue flaky '{"do": "retry"}' --ordering-key k)
second=$("$penstock" enqueue flaky --ordering-key k)
other=$("$penstock" enqueue flaky --ordering-key l)
ok 'another key does not wait' wait_for 90 sql_is "select state from penstock.job_state($other)" completed
ok 'a job that fails for good holds up the next until then' wait_for 90 sql_is "select state from penstock.job_state($second)" completed
is 'and not longer' dead "$(sql "select state from penstock.job_state($first)")"
is 'the next began after it' t "$(sql "select (select at from penstock.settled where jobs @> $second::bigint) > (select max(at) from penstock.failure where job = $first)")"

sql "select count(*) from unnest(penstock.enqueue_many('ledger', array(select json_build_object('n', n) from generate_series(1, 400) n),
	ordering_keys => array(select 'key-' || n % 8 from generate_series(1, 400) n)))" > /dev/null
enqueue_n ledger 200
wait_for 90 sql_is "select count(*) > 50 from effect" t
kill -KILL "$(child_of two)"
ok 'all come to their end' wait_for 90 sql_is "select coalesce(sum(ready + running + deferred + waiting), 0) from penstock.lanes" 0
is 'each once' 600 "$(sql 'select count(*) from effect')"
is 'in the order of their keys' 0 "$(sql "select count(*) from (select e.seq, lag(e.seq) over (partition by (j.attributes->>'n')::int % 8 order by j.id) as before
	from effect e join penstock.job j on j.id = e.job where j.attributes->>'n' is not null) x where seq < before")"
is 'no turn is left' 0 "$(sql 'select count(*) from penstock.turn')"
ok 'the queue is in order' "$penstock" verify -q
for pid in "${hosts[@]}"; do ok 'a host drains' stop_host "$pid"; done
