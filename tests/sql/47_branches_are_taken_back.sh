#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The migration of branches is taken back: not while jobs wait for some, and no branch loses its body.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" "${penstock:?}" # of run
cd "$top" || exit 1
failed=0

down() { "$penstock" migrate down --to 10 --confirm -q -c "$work/penstock.conf" -d "$dsn" 2>&1; }
up() { "$penstock" migrate up -q -c "$work/penstock.conf" -d "$dsn" 2>&1; }
is() { [ "$2" = "$3" ] || { echo "$1: expected $2, found $3"; failed=1; }; }

run_sql -c "select test.world(); select penstock.register_pipeline('r', array['s', 'x', 'y', 'z'], array[3, 3, 3, 3]::smallint[])" > /dev/null || exit 1
run_sql -c "select penstock.enqueue('r', '{}', 'as it came'); select n from test.claim(1, 1, 4); select test.fork(1, 11)" > /dev/null
run_sql -c "select penstock.enqueue('r', '{}', 'x'); select n from test.claim(2, 1, 4); select test.fork(2, 11, '{}', 'as it was made')" > /dev/null
case $(down) in *'jobs wait for their branches'*) ;; *) echo 'it was taken back while jobs wait'; failed=1 ;; esac
up > /dev/null # those behind it went before it was refused
run_sql -c "select test.end_one(10 + n, 4 + n, job) from (values (1, 2), (2, 3), (1, 5), (2, 6)) v(n, job)" > /dev/null
is 'it goes' '' "$(down)"
is 'each has its body' 'as it came,as it came,as it was made,as it was made' \
	"$(run_sql -c "select string_agg(convert_from(body, 'utf8'), ',' order by id) from penstock.job where parent is not null")"
is 'and comes back' '' "$(up)"
said=$("$penstock" verify -q -c "$work/penstock.conf" -d "$dsn" 2>&1) || { echo "$said"; failed=1; }
[ "$failed" -eq 0 ]
