#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A sleeping host is woken by whoever puts work into its lane, and nobody is notified without need.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" # of run
failed=0

# rings WHAT LANES SQL...: lanes that a listening session is told of when the statements commit
rings() {
	local what=$1 want=$2 got
	shift 2
	got=$({ echo 'listen penstock;'; printf '%s;\n' "$@"; } | run_sql 2>&1 |
		sed -n 's/^Asynchronous notification "penstock" with payload "\(.*\)" received.*/\1/p; /ERROR/p' | tr '\n' ' ')
	if [ "$got" != "$want" ]; then
		echo "$what: expected '$want', found '$got'"
		failed=1
	fi
}
run_sql -c 'select test.world()' > /dev/null || exit 1

rings 'nobody sleeps' '' "select penstock.enqueue('p')"
run_sql -c "insert into penstock.doorbell values (1, 1), (1, 9), (3, 1)"
rings 'one job' '1 ' "select penstock.enqueue('p')"
rings 'many jobs, once' '1 ' "select test.put('p', 2500)"
rings 'two in one transaction, once' '1 ' begin "select penstock.enqueue('p')" "select penstock.enqueue('p')" commit
rings 'rolled back' '' begin "select penstock.enqueue('p')" rollback
rings 'another lane' '3 ' "select penstock.enqueue('q')"
rings 'for later: it wakes for that one, too' '1 ' "select penstock.enqueue('p', run_at => now() + interval '1 hour')"
rings 'by COPY' '3 ' "insert into penstock.job (id, pipeline) values (100000, 2)" "select penstock.schedule_copied(3, 0::smallint, '{1}', '{0}', array['{[100000,100001)}'::int8multirange])"

# of its own settlement a host is not told; of another's it is
run_sql -c "select test.claim(1, 4); insert into penstock.doorbell values (2, 1)" > /dev/null
rings 'on to lane 2, where only this host sleeps' '' "select test.settle(1, 0, (select int8multirange(int8range(lower(jobs), lower(jobs) + 1)) from penstock.lease), 2)"
run_sql -c "insert into penstock.doorbell values (2, 9)"
rings 'another one sleeps there' '2 ' "select test.settle(1, 0, (select int8multirange(int8range(lower(jobs), lower(jobs) + 1)) from penstock.lease), 2)"
rings 'a lane in which nothing becomes ready' '' "select test.settle(1, 2, (select int8multirange(int8range(lower(jobs), lower(jobs) + 1)) from penstock.lease), 2)"
run_sql -c "delete from penstock.doorbell where host = 1"
rings 'what is given back' '1 ' "select penstock.void_lease(test.token(1))"
rings 'what was deferred' '1 ' "update penstock.deferred set run_at = now()" 'select penstock.wake(100)'
run_sql -c "select test.claim(2, 4, host => 77)" > /dev/null
rings 'what a dead host held' '1 ' 'select penstock.void_lost_leases()'

# the bells of a host go with it
rings 'a host is reaped' '' "insert into penstock.doorbell values (1, 1)" "select penstock.host_reap(1, 0)"
run_sql -c "select test.is('its bells', 0, (select count(*) from penstock.doorbell where host = 1)); select test.clean()" > /dev/null || failed=1
exit $failed
