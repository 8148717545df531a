#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Profiles of a pipeline without jobs, of one that keeps up, and of one whose worker threads sleep.
# How well predictions come true is what `make prove-profile` measures.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 2; lease_time = "50ms";'
pipeline slow 'name = "first"; plugin = "burden";' \
	'name = "sleeper"; plugin = "burden"; options: { wait_us = 4000; };' \
	'name = "last"; plugin = "burden_db"; options: { db_ms = 0.1; };'
start_database
sql 'create table burden (n bigint)'

ok 'without a host it says what to do' says 'penstock run' "$penstock" profile slow --for 1s -s "run_dir=$work/one"
ok 'and gives the code of wrong use' exits 2 "$penstock" profile slow --for 1s -s "run_dir=$work/one"
start_host one
profile() { "$penstock" profile slow -s name=one -s "run_dir=$work/one" "$@"; }
# value EXPRESSION: of the last profile, j
value() { echo "select $1 from (select :'j'::json as j) x" | psql -X -q -A -t -d "$admin" -v "j=$(cat "$work/profile.json")"; }

ok 'without load it says so' says 'No job of slow ended' profile --for 1s
ok 'an unknown pipeline is told with the nearest' says 'did you mean `slow`' "$penstock" profile slwo
ok 'a time that is none is refused' exits 2 profile --for 10ms

# it works all the time; of a machine that stood still in a profile another one is made
backlog() { sql "select ready >= 2000 from penstock.lanes where pipeline = 'slow' and stage = 'first'" | grep -q t || enqueue_n slow 20000; }
busy() { value "(select (r->>'busy')::numeric > 0.8 from json_array_elements(j->'resources') r where r->>'resource' = 'worker threads')"; }
profiled() {
	backlog
	profile --for 3s --json > "$work/profile.json" && [ "$(value "j->>'load'") $(busy)" = 'saturated t' ]
}
enqueue_n slow 20000
works() { [ "$(settled_n slow)" -gt 50 ]; }
wait_for 90 works
ok 'with a backlog it says that too, and that the worker threads are always busy' wait_for 90 profiled
is 'each stage is there, in order' 'first sleeper last' "$(value "(select string_agg(s->>'stage', ' ') from json_array_elements(j->'stages') s)")"
is 'and is visited once by each job' '1 1 1' "$(value "(select string_agg(round((s->>'visits')::numeric, 1)::numeric(9,0)::text, ' ') from json_array_elements(j->'stages') s)")"
is 'a job at least sleeps as long as it is told' t "$(value "(select (s->>'runs_s')::numeric between 0.0039 and 1 from json_array_elements(j->'stages') s where s->>'stage' = 'sleeper')")"
is 'no bound is below what was done' t "$(value "(select min((r->>'bound_per_s')::numeric) > 0.8 * (j->>'jobs_per_s')::numeric from json_array_elements(j->'resources') r)")"
is 'changes stand with the largest gain first' t "$(value "(select array_agg(g) = array_agg(g order by g desc) from (select (c->>'gain')::numeric g from json_array_elements(j->'changes') c) x)")"
sentences() { backlog && profile --for 1s > "$work/profile.txt" && grep -q "$1" "$work/profile.txt"; }
ok 'for people it is tables and sentences' wait_for 90 sentences 'What a change would buy'
ok 'it names somebody' wait_for 90 sentences 'it back:'
