#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Two servers, one of them a standby with synchronous replication. The primary becomes read-only, later it is
# killed: hosts go on with the one that was promoted, also those that had nothing to do, and nothing is lost.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

bin=$("$cluster" bin)
PATH=$bin:$PATH command -v pg_basebackup > /dev/null || { echo 'skipped: this PostgreSQL comes without pg_basebackup'; trap - EXIT; rm -rf "$work"; exit 77; }

configure 'lease_jobs = 50;'
pipeline ledger 'name = "slow"; plugin = "slow"; options: { sleep = "5ms"; };' 'name = "insert"; plugin = "insert"; max_attempts = 20;'
start_database 'fsync = on' 'max_wal_senders = 4'
a=$work/pg b=$work/b
trap '"$cluster" stop "$b"; finish' EXIT
sql 'create table effect (job bigint primary key); grant insert on effect to penstock_host'

# on A|B STATEMENT...
on() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "host=$1/socket port=5432 user=postgres dbname=postgres" -c "$2"; }
on_is() { [ "$(on "$1" "$2")" = "$3" ] || { echo "$2: $(on "$1" "$2"), expected $3"; return 1; }; }
# standby NEW OF: NEW follows OF, which waits for it at each commit
standby() {
	"$cluster" standby "$1" "$2" > /dev/null || { echo "no standby"; failed=$((failed + 1)); exit 1; }
	on "$2" "alter system set synchronous_standby_names = '*'"
	on "$2" 'select pg_reload_conf()' > /dev/null
	wait_for 90 on_is "$2" "select count(*) from pg_stat_replication where sync_state = 'sync'" 1
}
settled_on() { on "$1" "select coalesce(sum(n), 0) from penstock.settled s join penstock.lane l on l.id = s.lane join penstock.pipeline p on p.id = l.pipeline where p.name = '$2'"; }
moving_on() { [ "$(settled_on "$1" ledger)" -gt "$2" ]; }
# enqueue_on WHERE N: an application's, whose answers are kept; what was answered must end
enqueue_on() { on "$1" "select penstock.enqueue('ledger') from generate_series(1, $2)" >> "$work/answered"; }

# ---- the configuration of an operator: both servers, whoever may be written to

ok 'a standby follows' standby "$b" "$a"
export PENSTOCK_DATABASE="host=$a/socket,$b/socket port=5432 user=penstock dbname=postgres target_session_attrs=read-write"
start_host one --workers 2
start_host two --workers 2
pipeline quick 'name = "echo"; plugin = "echo";'
rm "$work/pipelines.d/ledger.conf"
start_host idle --workers 2
enqueue_on "$a" 2000
ok 'work has begun' wait_for 90 moving_on "$a" 50

# ---- the primary becomes read-only, and lives; the standby is promoted

on "$a" 'alter system set default_transaction_read_only = on'
on "$a" 'select pg_reload_conf()' > /dev/null
waits() { grep -q 'read-only' "$work/one.log" "$work/two.log"; }
ok 'hosts notice that nothing can be written' wait_for 90 waits
refused() { ! on "$a" "select penstock.enqueue('ledger')" > /dev/null 2>&1; }
ok 'an application is refused' refused
"$cluster" promote "$b"
on "$b" "alter system reset synchronous_standby_names"
on "$b" 'select pg_reload_conf()' > /dev/null
n=$(settled_on "$b" ledger)
enqueue_on "$b" 300
ok 'hosts carry on with the new primary' wait_for 90 moving_on "$b" "$n"
gone() { on_is "$a" "select count(*) from pg_stat_activity where application_name in ('penstock host', 'penstock worker')" 0; }
ok 'all of them, also where there was nothing to do' wait_for 90 gone
on "$b" "select penstock.enqueue('quick')" > /dev/null
quick_done() { [ "$(settled_on "$b" quick)" = 1 ]; }
ok 'which get their work from it' wait_for 90 quick_done

# ---- the old one becomes its standby, and the new primary is killed

"$cluster" stop "$a"
ok 'the old primary is made a standby' standby "$a" "$b"
enqueue_on "$b" 2000
ok 'work has begun there' wait_for 90 moving_on "$b" "$n"
"$cluster" kill9 "$b"
"$cluster" promote "$a"
on "$a" "alter system reset synchronous_standby_names"
on "$a" 'select pg_reload_conf()' > /dev/null
n=$(settled_on "$a" ledger)
enqueue_on "$a" 200
ok 'hosts carry on again' wait_for 90 moving_on "$a" "$n"
ok 'all jobs end' "$penstock" wait ledger --timeout 300s
answered=$(sort -u "$work/answered" | wc -l)
is 'an application was answered so many ids' 4500 "$answered"
is 'and all of these jobs ended' 0 "$(on "$a" "select count(*) from unnest('{$(paste -sd, "$work/answered")}'::bigint[]) j where not exists (select from penstock.settled s where s.jobs @> j)")"
is 'no others did' 4500 "$(settled_on "$a" ledger)"
is 'with its effect once' "$answered" "$(on "$a" 'select count(*) from effect')"
ok 'the queue is in order' "$penstock" verify
