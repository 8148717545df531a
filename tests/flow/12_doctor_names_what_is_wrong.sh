#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A healthy database is clean to the doctor. Then each thing that can be broken on a private cluster is
# broken, is named, and is put right as the advice says.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure
pipeline ledger 'name = "slow"; plugin = "slow"; options: { sleep = "20ms"; };' 'name = "second"; plugin = "echo";'
pipeline letters 'name = "outcome"; plugin = "outcome";'
start_database 'shared_buffers = 128MB' 'fsync = on' 'track_io_timing = on' 'wal_level = logical' 'max_prepared_transactions = 4'

# doctor [OPTION...]: sets $code; what it says is in $work/said
doctor() {
	"$penstock" doctor "$@" > "$work/said" 2> "$work/said.err"
	code=$?
}
# found LEVEL CHECK TEXT: a line of the last round
found() { grep -E "^$1 +$2 " "$work/said" | grep -qF -- "$3" || { cat "$work/said" "$work/said.err"; return 1; }; }
# A host that is gone is one that does not beat for lease_life: short for the doctor where no host lives, long else,
# since a machine may stand still.
doctor_of_silence() { doctor -s lease_life=1s; }
# clean: all is ok
clean() {
	doctor
	[ "$code" -eq 0 ] && ! grep -vE '^ok ' "$work/said" && [ "$(wc -l < "$work/said")" -ge 18 ] || { cat "$work/said"; return 1; }
}
reload() { sql 'select pg_reload_conf()' > /dev/null; wait_for 90 sql_is "select current_setting('$1')" "$2"; }

ok 'a new database is clean, without a host' clean
start_host one
ok 'and with a host' clean
doctor --json
is 'as JSON, one object a finding' 18 "$(grep -o '"check": "[a-z_]*", "level": "ok"' "$work/said" | sort -u | wc -l)"
for check in $(grep -o '"check": "[a-z_]*"' "$work/said" | cut -d'"' -f4 | sort -u); do
	grep -qx "## $check" "$top/docs/operations.md" || undocumented+=" $check"
done
is 'docs/operations.md says what to do for each check' '' "${undocumented-}"

# ---- settings

for s in fsync full_page_writes autovacuum synchronous_commit track_counts track_activities; do sql "alter system set $s = off"; done
reload autovacuum off
doctor
is 'settings that lose data are a problem' 1 "$code"
ok 'fsync is named' found problem settings 'fsync is off'
ok 'full_page_writes too' found problem settings 'full_page_writes is off'
ok 'and synchronous_commit' found problem settings 'synchronous_commit is off'
ok 'and autovacuum' found problem settings 'autovacuum is off'
ok 'and track_counts' found problem settings 'track_counts is off'
ok 'track_activities is a warning' found warning settings 'track_activities is off'
sql 'alter system reset all'
reload autovacuum on
sql 'alter role penstock set synchronous_commit = off'
sql "alter role penstock set statement_timeout = '29s'"
doctor
ok 'a setting of the role counts' found problem settings 'synchronous_commit is off'
ok 'a short statement_timeout is a warning' found warning settings 'statement_timeout is 29.0 s'
sql 'alter role penstock reset all'
stop_host "$host"
sql "alter system set shared_buffers = '16MB'"
sql "alter system set max_wal_size = '64MB'"
sql 'alter system set track_io_timing = off'
"$cluster" restart "$work/pg"
doctor
is 'settings that lose speed alone are no problem' 0 "$code"
ok 'shared_buffers is named' found warning settings 'shared_buffers is 16.0 MiB'
ok 'and max_wal_size' found warning settings 'max_wal_size is 64.0 MiB'
ok 'and track_io_timing, with what it is for' found ok settings 'track_io_timing is off'
sql 'alter system reset all'
"$cluster" restart "$work/pg"
ok 'all of it put back, it is clean' clean

# ---- who keeps dead rows

mkfifo "$work/fifo"
psql -X -q -A -t -d "$admin application_name=forgetful" < "$work/fifo" > "$work/holder.log" 2>&1 &
hosts+=($!)
exec 9> "$work/fifo"
echo "begin isolation level repeatable read; select 'held by ' || pg_backend_pid();" >&9
ok 'a session holds a snapshot' wait_for 90 grep -q '^held by' "$work/holder.log"
holder=$(sed 's/held by //' "$work/holder.log")
sql "select pg_create_logical_replication_slot('unread', 'pgoutput')" > /dev/null
sql "begin; create table left_over (); prepare transaction 'forgotten'"
doctor
ok 'a fresh snapshot is nothing to say' found ok snapshots 'the oldest of'
ok 'nor is a fresh prepared transaction' found ok prepared '1, none of them old'
ok 'a slot that nobody reads is' found warning slots 'the logical slot unread, which nobody reads, keeps'
# without waiting for its hour: it is old by what others did since
PGOPTIONS='-c synchronous_commit=off' sql 'do $$ begin for i in 1 .. 10500 loop perform pg_current_xact_id(); commit; end loop; end $$'
doctor
ok 'an old one is named by process and application' found warning snapshots "process $holder of forgetful"
ok 'with its age, as far as this role sees it' found warning snapshots '10 5'
ok 'so is the prepared transaction' found warning prepared "'forgotten' of postgres"
sql 'grant pg_read_all_stats to penstock'
doctor
ok 'a role that may look sees what it did' found warning snapshots "idle in transaction has held a snapshot"
ok 'and its statement' found warning snapshots "select 'held by '"
exec 9>&-
wait_for 90 sql_is "select count(*) from pg_stat_activity where pid = $holder" 0
sql "rollback prepared 'forgotten'"
sql "select pg_drop_replication_slot('unread')"
ok 'all of it ended, it is clean' clean

sql 'alter table penstock.doorbell set (autovacuum_enabled = off)'
sql 'insert into penstock.doorbell select 1, i from generate_series(1, 60000) i'
sql 'delete from penstock.doorbell'
heap() { doctor; found warning dead_rows 'penstock.doorbell has 60 0'; }
ok 'dead rows of a hot table are counted' wait_for 90 heap
ok 'and a table without autovacuum is named' found problem dead_rows 'autovacuum is turned off for penstock.doorbell'
sql 'alter table penstock.doorbell reset (autovacuum_enabled)'
sql 'vacuum penstock.doorbell'

# ---- the schema

sql 'alter table penstock.dead set unlogged'
doctor
ok 'an unlogged table is named' found problem unlogged 'penstock.dead is unlogged'
sql 'alter table penstock.dead set logged'

sql 'create unique index concurrently penstock_broken on penstock.lane (position)' 2> /dev/null
doctor
ok 'an invalid index is named' found problem indexes 'the index penstock.penstock_broken of penstock.lane is invalid'
sql 'drop index penstock.penstock_broken'

for b in 1 2 3 4; do for t in job output failure settled; do sql "drop table penstock.${t}_$b"; done; done
doctor
ok 'partitions that end here are a warning' found warning blocks 'partitions reach 0 blocks beyond block 0'
for t in job output failure settled; do sql "drop table penstock.${t}_0"; done
doctor
ok 'none for the next id are a problem' found problem blocks 'the partitions of block 0'
sql 'select penstock.make_blocks()' > /dev/null

sql 'drop owned by penstock_read_payload; drop role penstock_read_payload'
doctor
ok 'a missing role is named' found problem roles 'the role penstock_read_payload is missing'
sql 'create role penstock_read_payload nologin; grant usage on schema penstock to penstock_read_payload; delete from penstock.migration where version = 0'
doctor
ok 'a schema without its functions too' found problem schema 'no public functions'
"$penstock" migrate up -q -d "$admin"
ok 'the advice cures both' clean
is 'with the rights that the role had' t "$(sql "select has_table_privilege('penstock_read_payload', 'penstock.job', 'select')")"

checksum=$(sql "select checksum from penstock.migration where component = 'penstock' and version = 1")
sql "update penstock.migration set checksum = 'other' where component = 'penstock' and version = 1"
doctor
ok 'an edited migration is named' found problem schema 'was edited after it had been applied'
sql "update penstock.migration set checksum = '$checksum' where component = 'penstock' and version = 1"
sql "insert into penstock.migration (component, version, name, checksum) values ('penstock', 9999, 'future', 'x')"
doctor
ok 'a newer schema too' found problem schema 'newer than this program'
sql 'delete from penstock.migration where version = 9999'

sql 'create database empty'
doctor -d "${PENSTOCK_DATABASE/dbname=postgres/dbname=empty}"
ok 'a database without the schema is named' found problem schema 'the database has no schema of penstock'
is 'with everything looked at that needs none' 'clock plugins prepared roles schema session settings slots snapshots version' \
	"$(awk '$1 ~ /^(ok|warning|problem)$/ { print $2 }' "$work/said" | sort -u | paste -sd ' ')"

sql 'create role stranger login'
doctor -d "${admin/user=postgres/user=stranger}"
ok 'a role without rights is a problem' found problem roles 'stranger is no member of penstock_host'
ok 'what it may not see is said' found warning schema 'could not be looked at'
is 'and the others are looked at nevertheless' 1 "$(grep -c '^ok *plugins ' "$work/said")"
doctor -d "$admin"
ok 'a superuser is a warning' found warning roles 'connected as the superuser postgres'

sql 'alter role penstock connection limit 2'
doctor -s workers=4
ok 'too few connections are a problem' found problem connections 'a host as configured here does not get its 5'
sql 'alter role penstock connection limit -1'
ok 'all of it put back, it is clean' clean

# ---- the work

pipeline nowhere 'name = "a"; plugin = "uper";'
doctor
ok 'a plugin that is not there is named with its place' found problem plugins 'pipelines.d/nowhere.conf:1: there is no plugin uper.so'
rm "$work/pipelines.d/nowhere.conf"

start_host two -s lease_jobs=20 --workers 1
sql "update penstock.host set version = '0.0.9'"
doctor
ok 'a host of another version is a warning' found warning hosts 'runs penstock 0.0.9'
sql 'update penstock.host set version = (select max(name) from penstock.migration where version = 0)'

enqueue_n ledger 300 '{"sleep_ms": 600000}' # none of them ends before its host does
leased() { [ "$(sql 'select count(*) from penstock.lease')" -gt 0 ]; }
ok 'a host has work' wait_for 90 leased
child=$(child_of two)
kill -KILL "$host" "$child"
wait "$host" 2> /dev/null || true
ok 'it is killed' wait_for 90 sql_is "select count(*) from pg_stat_activity where application_name like 'penstock %'" 0
sql "update penstock.job set attributes = '{}'"
leases=$(sql 'select sum(n) from penstock.lease')
doctor_of_silence
is 'a host that was killed is a problem' 1 "$code"
ok 'it is named, with what it holds' found problem hosts "did not beat for"
ok 'so is its lease' found problem leases "$leases job"
unserved() {
	sql "update penstock.job set created_at = now()"
	doctor_of_silence
	found warning lanes 'jobs waiting in ledger/slow and no host is running'
}
ok 'and jobs that nobody serves' wait_for 90 unserved
sql "update penstock.job set created_at = now() - interval '25 days'"
doctor_of_silence
ok 'which are a problem when they are old' found problem lanes 'jobs waiting in ledger/slow and no host is running; the first for 25 d'
"$penstock" pause ledger slow -q
doctor_of_silence
ok 'but not where somebody paused it' found warning lanes 'waiting in ledger/slow, which has been paused for'
"$penstock" resume ledger slow -q
sql "update penstock.lane set position = -1 where stage = 'slow'"
doctor_of_silence
ok 'as is a stage that its pipeline lost' found problem lanes 'waiting at the stage slow, which the pipeline ledger does not have any more'
sql "update penstock.lane set position = 0 where stage = 'slow'"
sql 'delete from penstock.host'
doctor
ok 'a lease without a host is named' found problem leases 'which is not listed any more'

# a connection that is lost in the middle: while it watches a host that never was
sql "insert into penstock.host (boot, name, machine, pid, version) values (gen_random_uuid(), 'ghost', 'x', 1, '0')"
"$penstock" doctor -s lease_life=600s > "$work/said" 2> "$work/said.err" &
doctor_pid=$!
watches() { [ "$(sql "select count(*) from pg_stat_activity where application_name = 'penstock command' and query like '%penstock.hosts order by id%'")" -gt 0 ]; }
ok 'the doctor watches a silent host' wait_for 90 watches
sql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'penstock command'" > /dev/null
wait "$doctor_pid"
is 'when its connection is lost, that is a problem' 1 $?
ok 'which is said beside what was found before' found problem hosts 'the connection was lost'
sql 'delete from penstock.host'

start_host three
"$penstock" wait ledger -q --timeout 300s
ok 'a host started as advised, it is clean' wait_for 90 clean

"$penstock" enqueue letters '{"do": "fail", "code": "BROKEN", "message": "never"}' > /dev/null
"$penstock" wait letters -q --timeout 300s
doctor
is 'a dead letter alone is no problem' 0 "$code"
ok 'but is told' found warning lanes '1 dead letter in letters/outcome'

# ---- what lies in between

bouncer=
end_bouncer() { [ -z "$bouncer" ] || { kill -INT "$bouncer"; wait "$bouncer"; } 2> /dev/null; }
# through MODE [LINE]: a pooler in front of the database, as poolers are set up
through() {
	end_bouncer
	mkdir -p "$work/bouncer"
	cat > "$work/bouncer/ini" <<-END
		[databases]
		postgres = host=$work/pg/socket port=5432
		[pgbouncer]
		listen_addr =
		unix_socket_dir = $work/bouncer
		listen_port = 6432
		auth_type = trust
		auth_file = $work/bouncer/users
		pool_mode = $1
		ignore_startup_parameters = options
	END
	echo '"penstock" ""' > "$work/bouncer/users"
	if [ "$(id -u)" -eq 0 ]; then
		chown -R postgres "$work/bouncer"
		setpriv --reuid=postgres --regid=postgres --init-groups pgbouncer "$work/bouncer/ini" > "$work/bouncer.log" 2>&1 &
	else
		pgbouncer "$work/bouncer/ini" > "$work/bouncer.log" 2>&1 &
	fi
	bouncer=$!
	hosts+=("$bouncer")
	wait_for 90 test -S "$work/bouncer/.s.PGSQL.6432"
	doctor -d "host=$work/bouncer port=6432 user=penstock dbname=postgres"
}

if PATH=$PATH:/usr/sbin command -v pgbouncer > /dev/null; then
	PATH=$PATH:/usr/sbin
	through transaction
	ok 'a pooler that mixes sessions is a problem' found problem session 'a pooler gives transactions to changing sessions'
	ok 'that it drops the options of sessions too' found problem session 'were dropped on the way'
	through session
	ok 'one that keeps sessions is a warning' found warning session 'a pooler is in between'
	end_bouncer
else
	echo 'skipped  poolers: no pgbouncer here'
fi

exits 3 "$penstock" doctor -d "host=$work/nowhere user=penstock" > /dev/null 2>&1
is 'no database at all is an error, not a finding' 0 $?
