#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Routes to several stages: branches run side by side, the job goes on with what they made when they ended, and a host
# that is killed in the middle loses nothing and doubles nothing.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure 'workers = 2;' 'lease_jobs = 100;'
fork='{ to = ( "left", "right", "late" ); then = "join"; }'
pipeline docs "name = \"first\"; plugin = \"set\"; options: { name = \"first\"; }; routes = { done = $fork; };" \
	'name = "left"; plugin = "set"; options: { name = "left"; }; max_attempts = 1;' \
	'name = "left-more"; plugin = "upper";' \
	'name = "right"; plugin = "set"; options: { name = "right"; };' \
	'name = "late"; plugin = "later";' \
	'name = "join"; plugin = "set"; options: { name = "joined"; };'
# the stage that forks answers later, branches are a pipeline and a stage that writes, and they meet at the end
pipeline mark 'name = "one"; plugin = "set"; options: { name = "one"; };' 'name = "two"; plugin = "set"; options: { name = "two"; };'
pipeline ends 'name = "first"; plugin = "later"; routes = { done = { to = [ "x", "y" ]; then = "end"; join = "any"; }; };' \
	'name = "x"; pipeline = "mark";' \
	'name = "y"; plugin = "insert"; options: { statement = "select 1 / 0"; };'
pipeline ledger 'name = "first"; plugin = "echo"; routes = { done = { to = ( "slow", "write" ); then = "last"; }; };' \
	'name = "slow"; plugin = "slow"; options: { sleep = "2ms"; }; max_lease = 40;' \
	'name = "slow-more"; plugin = "set"; options: { name = "slow"; };' \
	'name = "write"; plugin = "insert"; options: { statement = "insert into branch_effect (job) values ($1)"; };' \
	'name = "last"; plugin = "insert";'
ok 'check finds it well' says '4 pipelines, 17 stages' "$penstock" check
start_database
sql 'create table effect (job bigint primary key); create table branch_effect (job bigint primary key)'
sql 'grant insert on effect, branch_effect to penstock_host'
start_host one

state_is() { sql_is "select stage || ' ' || state from penstock.job_state($1)" "$2"; }
put() { sql "select penstock.enqueue('$1', '$2', 'abc')"; }
made() { sql "select attributes::jsonb from penstock.output where job = $1 order by hop desc limit 1"; }
children() { sql "select string_agg(s.stage || ' ' || s.state, ', ' order by j.id) from penstock.job j, penstock.job_state(j.id) s where j.parent = $1"; }

id=$(put docs '{"a": 1}')
ok 'a job goes on when its branches ended' wait_for 90 state_is "$id" 'join completed'
is 'each of them where it ends' 'left-more completed, right completed, late completed' "$(children "$id")"
is 'with what all of them made' '{"a": 1, "kept": true, "left": "yes", "first": "yes", "right": "yes", "joined": "yes"}' "$(made "$id")"
is 'and the body that it had' abc "$(sql "select convert_from(body, 'utf8') from penstock.output where job = $id order by hop desc limit 1")"
ok 'the command shows it' says '"joined": "yes"' "$penstock" job output "$id"
is 'a branch had the same body' 'ABC' "$(sql "select convert_from(body, 'utf8') from penstock.children($id) limit 1")"
is 'which nobody copied' 0 "$(sql "select count(body) from penstock.job where parent = $id")"
ok 'the command shows that of a branch, too' says abc "$penstock" job output "$((id + 3))" --hop 0 --body

id=$(put ends '{}')
ok 'the branches may meet at the end' wait_for 90 state_is "$id" 'first completed'
is 'also when one died, if the route says so' 'x.two completed, y dead' "$(children "$id")"
is 'with what the others made' '{"one": "yes", "two": "yes", "kept": true}' "$(made "$id")"

# ---- a branch that fails

id=$(put docs '{"fail": "left"}')
ok 'a job dies of a branch that failed' wait_for 90 state_is "$id" 'join dead'
ok 'and says why' says '1 of its 3 children' "$penstock" job show "$id"
pipeline docs "name = \"first\"; plugin = \"set\"; options: { name = \"first\"; }; routes = { done = $fork; };" \
	'name = "left"; plugin = "set"; options: { name = "mended"; }; max_attempts = 1;' \
	'name = "left-more"; plugin = "upper";' \
	'name = "right"; plugin = "set"; options: { name = "right"; };' \
	'name = "late"; plugin = "later";' \
	'name = "join"; plugin = "set"; options: { name = "joined"; };'
ok 'the stage is mended' "$penstock" reload --wait -s name=one -s "run_dir=$work/one"
"$penstock" dead replay "$id" > /dev/null
ok 'the job is replayed with its branch' wait_for 90 state_is "$id" 'join completed'
is 'and has what it made' 'yes yes' "$(sql "select attributes->>'mended' || ' ' || (attributes->>'right') from penstock.output where job = $id order by hop desc limit 1")"

# ---- waiting, paused, cancelled

"$penstock" pause -q docs right
id=$(put docs '{}')
ok 'it waits for the slowest' wait_for 90 sql_is "select string_agg(state, ' ' order by id) from penstock.children($id)" 'completed ready completed'
ok 'where it will go on' state_is "$id" 'join waiting'
ok 'a stage in which branches run is not removed' says 'right has 1 job' bash -c "sed 's/\"right\", //; s/{ name = \"right\"[^}]*}[^}]*}, //' '$work/pipelines.d/docs.conf' > '$work/new' && cp '$work/pipelines.d/docs.conf' '$work/old' && cp '$work/new' '$work/pipelines.d/docs.conf' && '$penstock' reload --wait -s name=one -s 'run_dir=$work/one'"
cp "$work/old" "$work/pipelines.d/docs.conf"
"$penstock" job cancel "$id" > /dev/null
is 'cancelled with what still runs' 'cancelled completed cancelled completed' "$(sql "select state from penstock.job_state($id)") $(sql "select string_agg(state, ' ' order by id) from penstock.children($id)")"
"$penstock" resume -q docs

# ---- a host is killed in the middle of branches

jobs=0
start_host two
in_branches() { [ "$(sql "select count(*) from penstock.lease l join penstock.host h on h.id = l.host join penstock.lane q on q.id = l.lane where h.name = 'two' and q.stage in ('slow', 'write')")" -gt 0 ]; }
renewed() { [ "$(child_of two)" != "$child" ] && listed two; }
# what it found done already is made good by more work
busy() {
	in_branches && return
	enqueue_n ledger 300
	jobs=$((jobs + 300))
	in_branches
}
killed=0
for _ in 1 2 3 4; do
	child=$(child_of two)
	wait_for 90 busy || break
	kill -KILL "$child"
	killed=$((killed + 1))
	wait_for 90 renewed || break
done
is 'a host was killed while branches ran' 4 "$killed"
ok 'all come to their end' "$penstock" wait ledger --timeout 300s
is 'each job and branch once' "$((3 * jobs))" "$(settled_n ledger)"
is 'a branch took effect once' "$jobs" "$(sql 'select count(*) from branch_effect')"
is 'and what comes behind them, too' "$jobs" "$(sql 'select count(*) from effect')"
is 'for the jobs, not for their branches' 0 "$(sql 'select count(*) from effect e join penstock.job j on j.id = e.job where j.parent is not null')"
is 'each with what its branch made' "$jobs" "$(sql "select count(distinct o.job) from effect e join penstock.output o on o.job = e.job where o.attributes->>'slow' = 'yes'")"
ok 'nothing waits any more' sql_is "select (select count(*) from penstock.child) + (select count(*) from penstock.waiting)" 0
ok 'the queue is in order' "$penstock" verify -q
for pid in "${hosts[@]}"; do ok 'a host drains' stop_host "$pid"; done
