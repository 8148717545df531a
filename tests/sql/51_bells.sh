#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Who is woken: a host that hung a bell on the lane, when a transaction that made jobs ready commits.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" # of run
run_sql -c 'select test.world()' -c "select penstock.host_register(gen_random_uuid(), 'two', 'm', 2, '0', 0)" > /dev/null || exit 1

. "$top/tests/sql/sessions.sh"
session ear
session a
ask ear 'listen penstock' > /dev/null
# The lanes that were rung since; another's notification of its own marks the end, since they come in order of commit
heard() {
	run_sql -c "select pg_notify('penstock', 'mark')" > /dev/null
	local said='' until=$(($(date +%s) + 120))
	until case $said in *'"mark"'*) true ;; *) false ;; esac; do
		said+=$(ask ear 'select 1' | grep -o 'payload "[^"]*"')" "
		[ "$(date +%s)" -lt "$until" ] || { echo 'no mark'; return; }
	done
	echo "$said" | grep -o '"[^"]*"' | tr -d '"' | grep -v mark | tr '\n' ' '
}
statement() { sed '/^--/d; s/;$//' "$top/framework/sql/$1.sql" | tr '\n' ' '; }
ask a "prepare hang(bigint, int[]) as $(statement bell_set)" > /dev/null
ask a "prepare down(bigint) as $(statement bell_clear)" > /dev/null

ask a "select penstock.enqueue('p')" > /dev/null
is 'without a bell nobody is woken' '' "$(heard)"

ask a "execute hang(1, '{1,3}')" > /dev/null
ask a "execute hang(1, '{1,3}')" > /dev/null
is 'hung twice is hung once' '2' "$(run_sql -c 'select count(*) from penstock.doorbell')"
ask a "select penstock.enqueue('p')" > /dev/null
is 'one job rings its lane' '1 ' "$(heard)"
ask a "select penstock.enqueue_many('q', array_fill('{}'::json, array[1500]))" > /dev/null
is 'many at once ring once' '3 ' "$(heard)"
ask a "select penstock.schedule_copied(3, 0::smallint, '{1}', '{0}', array[penstock.reserve_ids(1)])" > /dev/null
is 'copied jobs ring' '3 ' "$(heard)"
run_sql -c "delete from penstock.parcel where id = (select max(id) from penstock.parcel)"

ask a begin > /dev/null
ask a "select penstock.enqueue('p')" > /dev/null
is 'not before it commits' '' "$(heard)"
ask a rollback > /dev/null
is 'nor when it does not' '' "$(heard)"
ask a "select penstock.enqueue('p', run_at => now() + interval '1 hour')" > /dev/null
ask a "select n from test.claim(1, 100)" > /dev/null
heard > /dev/null

# host 1 has settled: it looks at the lane itself; another host's bell rings
ask a "select test.settle(1, 0, '{[1,2)}', 1)" > /dev/null
is 'a settlement does not ring its own host' '' "$(heard)"
ask a "execute hang(2, '{2}')" > /dev/null
ask a "select test.settle(1, 0, '{[2,3)}', 2, hop => 1)" > /dev/null
is 'but another, for the lane where the job goes' '2 ' "$(heard)"
ask a 'execute down(2)' > /dev/null
ask a 'update penstock.deferred set run_at = now()' > /dev/null
ask a 'select jobs from penstock.wake(10)' > /dev/null
is 'what wakes rings' '1 ' "$(heard)"
ask a 'select n from test.claim(2, 100, host => 2)' > /dev/null
ask a 'select penstock.void_lease(test.token(2))' > /dev/null
is 'what is given back rings' '1 ' "$(heard)"
ask a 'select n from test.claim(3, 100, host => 2)' > /dev/null
ask a 'select penstock.host_reap(2, 0)' > /dev/null
ask a 'select penstock.void_lost_leases()' > /dev/null
is 'what a dead host held rings' '1 ' "$(heard)"
ask a 'execute down(1)' > /dev/null
is 'taken down' '0' "$(run_sql -c 'select count(*) from penstock.doorbell')"
ask a "select penstock.enqueue('p')" > /dev/null
is 'quiet again' '' "$(heard)"

# the bells of a host go with it
ask a "execute hang(1, '{1,2,3}')" > /dev/null
run_sql -c "select penstock.host_leave(1)" > /dev/null
is 'no bell of a host that left' '0' "$(run_sql -c 'select count(*) from penstock.doorbell')"
host=$(run_sql -c "select penstock.host_register(gen_random_uuid(), 'three', 'm', 3, '0', 0)")
ask a "execute hang($host, '{1}')" > /dev/null
run_sql -c "select penstock.host_reap($host, 0)" > /dev/null
is 'nor of one that was taken for dead' '0' "$(run_sql -c 'select count(*) from penstock.doorbell')"
over
