#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What a host counted is what the rows say, also when a
# process died; where it cannot be told, verify says so.
# shellcheck source=tests/flow/lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 2;'
pipeline mixed 'name = "first"; plugin = "outcome"; durable = true' 'name = "last"; plugin = "noop"; durable = true'
pipeline insert 'name = "insert"; plugin = "noop_call"'
start_database

# counted: what verify says of the counters
counted() { "$penstock" verify --json -q -s "name=$1" -s "run_dir=$work/$1" | jq -r '.[] | select(.invariant == "counters equal rows at rest") | "\(.violations) \(.detail)"'; }
counted_is() { [ "$(counted "$1")" = "$2" ]; } # counted after the database has confirmed it
one() { "$penstock" verify -q -s "name=$1" -s "run_dir=$work/$1"; }

is 'without a host it cannot be told' '0 cannot be told: no host has run on this machine' "$(counted mill)"
start_host mill
mill=$host
enqueue_n mixed 300 '{"do": "done"}'
enqueue_n mixed 40 '{"do": "discard"}'
enqueue_n insert 1000
ok 'all jobs end' "$penstock" wait -q --timeout 300s
ok 'counters are rows' wait_for 90 counted_is mill '0 completed or discarded since this host began: 1340'

sql "update penstock.settled set n = n + 1, jobs = jobs + int8multirange(int8range(999999999, 1000000000)) where id = (select min(id) from penstock.settled where outcome = 3)"
ok 'a row that nobody counted is seen' exits 1 one mill
ok 'and named' says 'mixed/first: 40 counted as discarded, 41 in rows' one mill
sql "update penstock.settled set n = n - 1, jobs = jobs - int8multirange(int8range(999999999, 1000000000)) where jobs @> 999999999::bigint"

child=$(child_of mill)
kill -KILL "$child"
ok 'the process is started again' wait_for 90 eval '[ "$(child_of mill)" != "$child" ] && listed mill'
enqueue_n mixed 100 '{"do": "done"}'
ok 'the jobs after it end' "$penstock" wait -q --timeout 300s
ok 'its worker went on where the dead one was' wait_for 90 counted_is mill '0 completed or discarded since this host began: 1440; some that a lost process settled may be uncounted'

start_host other
other=$host
is 'of a host that came to others it cannot be told' '0 cannot be told: another host lived when this one came' "$(counted other)"
is 'nor of the first any more' '0 cannot be told: another host came since' "$(counted mill)"
ok 'the other ends' stop_host "$other"
ok 'the host ends' stop_host "$mill"
