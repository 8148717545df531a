#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A pipeline used as stages of others: jobs go through them, every command knows them by their names, a change of
# the pipeline is one of all that use it, and mistakes are told with their place.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

reload() { "$penstock" reload --wait -s name=one -s "run_dir=$work/one" "$@"; }
put() { sql "select penstock.enqueue('$1', '{\"route\": \"$2\"}', 'abc')"; }
became() { # JOB TEXT: what its body was made into
	sql_is "select coalesce((select convert_from(body, 'utf8') from penstock.output where job = $1 order by hop desc limit 1), 'abc')" "$2"
}
state_is() { sql_is "select stage || ' ' || state from penstock.job_state($1)" "$2"; }
check() { "$penstock" check; }

configure 'workers = 2;'
pipeline inner 'name = "way"; plugin = "route"; routes = { left = "end"; right = "up"; back = "end:job"; };' \
	'name = "up"; plugin = "upper";'
pipeline outer 'name = "first"; plugin = "echo";' 'name = "x"; pipeline = "inner"; routes = { end = "last"; };' \
	'name = "between"; plugin = "outcome";' 'name = "last"; plugin = "echo"; durable = true;'
ok 'check counts the stages that it comes to' says '2 pipelines, 7 stages' check
start_database
start_host one

is 'each has a lane of its own' 'first x.way x.up between last' \
	"$(sql "select string_agg(stage, ' ' order by position) from penstock.lanes where pipeline = 'outer'")"
right=$(put outer right)
left=$(put outer left)
back=$(put outer back)
own=$(put inner right)
ok 'its end leads where the use says' wait_for 90 state_is "$right" 'last completed'
ok 'also from its middle' wait_for 90 state_is "$left" 'last completed'
ok 'the end of the job is one' wait_for 90 state_is "$back" 'x.way completed'
ok 'it is a pipeline still' wait_for 90 state_is "$own" 'up completed'
ok 'a job went through all of it' became "$right" ABC
ok 'or past a part' became "$left" abc
ok 'lanes knows them' says x.up "$penstock" lanes
ok 'top knows them' says outer/x.up "$penstock" top --once -s name=one -s "run_dir=$work/one"

"$penstock" pause -q outer x.up
held=$(put outer right)
ok 'one of them can be paused' wait_for 90 state_is "$held" 'x.up ready'

# ---- the pipeline that is used changes

mkdir "$work/before"
cp -r "$work/penstock.conf" "$work/pipelines.d" "$work/before/"
pipeline inner 'name = "way"; plugin = "route"; routes = { left = "end"; right = "end"; back = "end:job"; };'
ok 'a change is one of all that use it' says 'x.up' "$penstock" config diff "$work/before/penstock.conf" "$work/penstock.conf"
ok 'a stage that has jobs is not removed' says '1 job' reload
"$penstock" resume -q outer
ok 'its job ends' wait_for 90 state_is "$held" 'last completed'
ok 'then it is' reload
is 'in both pipelines' '' "$(sql "select string_agg(pipeline || ' ' || stage, ', ') from penstock.lanes where stage like '%up' and position >= 0")"
id=$(put outer right)
ok 'and jobs go past it' wait_for 90 state_is "$id" 'last completed'
ok 'with the rest as it was' became "$id" abc

# ---- mistakes

pipeline inner 'name = "y"; pipeline = "outer";'
ok 'a circle is refused' exits 2 check
ok 'with the way that it takes' says 'outer.conf:1: pipelines that use each other in a circle: inner -> outer -> inner' check
ok 'and a reload refuses it, too' says 'in a circle' reload
cp "$work/before/pipelines.d/inner.conf" "$work/pipelines.d/inner.conf"
pipeline other 'name = "x"; pipeline = "iner"; options = { a = 1; };'
ok 'a key that makes no sense is refused' says 'other.conf:1: options does not go with pipeline' check
pipeline other 'name = "x"; pipeline = "iner";'
ok 'a name that is not there comes with the nearest' says "did you mean 'inner'?" check
pipeline other 'name = "a"; plugin = "route"; routes = { left = "a"; right = "a"; back = "a"; };' 'name = "b"; plugin = "echo";'
ok 'check knows the routes of a plugin' says 'other.conf:1: a job in stage a of pipeline other can never reach the end: left leads to a' check
rm "$work/pipelines.d/other.conf"
ok 'the queue is in order' "$penstock" verify -q
for pid in "${hosts[@]}"; do ok 'a host drains' stop_host "$pid"; done
