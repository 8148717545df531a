#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# PostgreSQL refuses connections, its COMMIT hangs, its disk is full, the one of its log too: hosts
# wait, no job is charged, and what was begun ends once.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

child=
cleanup() {
	if [ "$child" ]; then kill -CONT "$child" 2> /dev/null; fi
	for pid in "${hosts[@]}"; do kill -TERM "$pid" 2> /dev/null; done
	for pid in "${hosts[@]}"; do wait "$pid" 2> /dev/null; done
	"$cluster" stop "$work/pg"
	for disk in space wal; do
		if mountpoint -q "$work/$disk"; then umount "$work/$disk"; fi
	done
	finish
}
trap cleanup EXIT

configure 'workers = 2; lease_jobs = 20;'
pipeline ledger 'name = "again"; plugin = "retry_once"; max_attempts = 3; backoff = "10ms";' \
	'name = "insert"; plugin = "insert"; durable = true; max_attempts = 2;'
start_database
if [ "$(id -u)" -eq 0 ]; then # the queue lives on a disk that can be filled
	mkdir "$work/space"
	mount -t tmpfs -o "size=64m,mode=700,uid=$(id -u postgres)" tmpfs "$work/space" || { failed=1; exit 1; }
	sql "create tablespace small location '$work/space'"
	sql 'create database ledger tablespace small'
	admin=${admin/dbname=postgres/dbname=ledger}
	"$penstock" migrate up -q -c "$work/penstock.conf" -d "$admin" || { failed=1; exit 1; }
	export PENSTOCK_DATABASE="${admin/user=postgres/user=penstock}"
fi
sql 'create table effect (job bigint) tablespace pg_default; grant insert on effect to penstock_host'
start_host one

jobs=0
more() {
	sql "set synchronous_commit = local; select count(*) from unnest(penstock.enqueue_many('ledger', array_fill('{}'::json, array[$1])))" > /dev/null
	jobs=$((jobs + $1))
}
moving() { [ "$(settled_n ledger)" -gt "$1" ]; }
says_log() { grep -q "$1" "$work/one.log"; }
in_order() { # what must hold after each trouble
	ok "$1: every job ends" wait_for 90 sql_is "select coalesce(sum(n), 0) from penstock.settled" "$jobs"
	is 'once, with its effect once' "$jobs $jobs" "$(sql 'select count(*), count(distinct job) from effect' | tr '|' ' ')"
	is 'no job is charged with it' "$jobs" "$(sql "select count(*) filter (where code = 'FIRST') + 1000000 * count(*) filter (where code <> 'FIRST') from penstock.failure")"
	ok 'the queue is in order' "$penstock" verify -q
}
hosts_backends="select pid from pg_stat_activity where usename = 'penstock' and pid <> pg_backend_pid()"

# ---- no connections (53300)

more 200
ok 'work has begun' wait_for 90 moving 0
sql 'alter role penstock connection limit 0'
sql "select count(pg_terminate_backend(pid)) from ($hosts_backends) x" > /dev/null
ok 'a host that gets no connection says why' wait_for 90 says_log 'too many connections for role'
more 50
sql 'alter role penstock connection limit -1'
in_order 'with connections again'

# ---- a COMMIT that waits for a standby that is not there; released, cancelled, killed

waiting() { [ "$(sql "select count(*) from pg_stat_activity where wait_event = 'SyncRep'")" -gt 0 ]; }
for way in released pg_cancel_backend pg_terminate_backend; do
	commits_hang
	more 60
	ok 'a COMMIT hangs' wait_for 90 waiting
	if [ "$way" != released ]; then
		sql "select count($way(pid)) from pg_stat_activity where wait_event = 'SyncRep'" > /dev/null
	fi
	commits_go_on
	in_order "$way"
done

# ---- no space on the disk (53100)

if [ "$(id -u)" -eq 0 ]; then
	fill() { dd if=/dev/zero of="$work/space/balloon" bs=64k status=none 2> /dev/null; [ -e "$work/space/balloon" ]; }
	in_the_middle() { # with work left for a full disk, however quick it was
		kill -STOP "$child"
		[ "$(sql 'select count(*) from penstock.lease')" -gt 0 ] && [ "$(settled_n ledger)" -lt $((jobs - 100)) ] && return
		kill -CONT "$child"
		more 1000
		return 1
	}
	more 3000
	ok 'work has begun' wait_for 90 moving $((jobs - 2900))
	child=$(child_of one)
	ok 'the host stands still in the middle of it' wait_for 90 in_the_middle
	ok 'the disk is full' fill
	kill -CONT "$child"
	ok 'the host says so' wait_for 90 says_log 'has no room for a settlement.*No space left on device'
	rm "$work/space/balloon"
	in_order 'with space again'
else
	echo 'skipped: a full disk, which only root can make'
fi

# ---- no space for the log of transactions: PostgreSQL panics, and does not start before there is

if [ "$(id -u)" -eq 0 ]; then
	mkdir "$work/wal"
	mount -t tmpfs -o "size=128m,mode=700,uid=$(id -u postgres)" tmpfs "$work/wal" || { failed=1; exit 1; }
	"$cluster" kill9 "$work/pg"
	mv "$work/pg/data/pg_wal" "$work/wal/pg_wal"
	ln -s "$work/wal/pg_wal" "$work/pg/data/pg_wal"
	"$cluster" restart "$work/pg"
	panicked() { grep -q 'PANIC.*No space left on device' "$work/pg/log"; }
	next_segment() { sql 'select pg_switch_wal()'; panicked; }
	more 3000
	ok 'work has begun' wait_for 90 moving $((jobs - 2900))
	dd if=/dev/zero of="$work/wal/balloon" bs=64k status=none 2> /dev/null
	ok 'PostgreSQL has no room for its log, and panics' wait_for 90 next_segment
	ok 'the host says that the database is lost' wait_for 90 says_log 'the janitor lost the database'
	"$cluster" restart "$work/pg" immediate > "$work/restart.out" 2>&1
	ok 'without room it does not come to work' bash -c "! psql -X -q -d '$admin' -c 'create table room as select from generate_series(1, 1000000)'"
	rm "$work/wal/balloon"
	"$cluster" restart "$work/pg" immediate || { failed=1; exit 1; }
	in_order 'with room for the log'
else
	echo 'skipped: a full disk for the log of transactions, which only root can make'
fi
ok 'the host drains' stop_host "$host"
