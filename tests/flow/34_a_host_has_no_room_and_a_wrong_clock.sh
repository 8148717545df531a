#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Hosts whose clocks are an hour off, ten thousand retries that are due at once, a snapshot that is
# held all the while, and hosts whose log or state has no room left.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
not_sanitized 'the clock is bent by a library that is loaded first'

snapshot=
cleanup() {
	if [ "$snapshot" ]; then kill "$snapshot" 2> /dev/null; fi
	for pid in "${hosts[@]}"; do kill -TERM "$pid" 2> /dev/null; done
	for pid in "${hosts[@]}"; do wait "$pid" 2> /dev/null; done
	if mountpoint -q "$work/small"; then umount "$work/small"; fi
	finish
}
trap cleanup EXIT

configure 'workers = 1;'
pipeline ledger 'name = "insert"; plugin = "insert"; max_attempts = 2;'
pipeline again 'name = "once"; plugin = "retry_once"; max_attempts = 3; options = { delay = "2s"; };' 'name = "insert"; plugin = "insert";'
start_database
sql 'create table effect (job bigint, at timestamptz default clock_timestamp()); grant insert on effect to penstock_host'
cat > "$work/bent.c" <<'END'
/* CLOCK_REALTIME as BENT_SECONDS says; every other clock as it is. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long bent(void) { const char *s = getenv("BENT_SECONDS"); return s ? atol(s) : 0; }
int clock_gettime(clockid_t id, struct timespec *t)
{
	int end = (int)syscall(SYS_clock_gettime, id, t);
	if (end == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += bent();
	return end;
}
int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	t->tv_sec = now.tv_sec; t->tv_usec = now.tv_nsec / 1000;
	return 0;
}
time_t time(time_t *ret)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (ret) *ret = now.tv_sec;
	return now.tv_sec;
}
END
ok 'a library bends the clock' cc -shared -fPIC -O1 -o "$work/bent.so" "$work/bent.c"

ended() { wait_for 120 sql_is "select count(*) from penstock.jobs where pipeline = '$1' and state <> 'completed'" 0; }
per_job() { sql "select count(*) || ' ' || count(distinct job) from effect e join penstock.job j on j.id = e.job join penstock.pipeline p on p.id = j.pipeline where p.name = '$1'"; }
# a session that keeps its snapshot until it ends
psql -X -q -d "$admin" -c 'begin isolation level repeatable read; select 1 from pg_class limit 1; select pg_sleep(3600)' > /dev/null 2>&1 &
snapshot=$!
held() { [ "$(sql "select count(*) from pg_stat_activity where backend_xmin is not null and query like '%pg_sleep(3600)%' and pid <> pg_backend_pid()")" -gt 0 ]; }
ok 'a snapshot is held' wait_for 90 held

# ---- clocks an hour off, one each way

begun=$(date -u -d '1 hour' +%Y-%m-%dT%H)
LD_PRELOAD=$work/bent.so BENT_SECONDS=3600 start_host early
LD_PRELOAD=$work/bent.so BENT_SECONDS=-3600 start_host late
ok 'a host believes in its own clock' grep -q "^$begun\|^$(date -u -d '1 hour' +%Y-%m-%dT%H)" "$work/early.log"
enqueue_n ledger 300
later=$("$penstock" enqueue ledger --delay 2s)
soon=$("$penstock" enqueue ledger --delay 1h)
ok 'jobs are done' wait_for 90 sql_is "select count(*) from effect" 301
ok 'one that was due later not before' sql_is "select count(*) from effect e join penstock.job j on j.id = e.job where e.job = $later and e.at < j.created_at + interval '2s'" 0
is 'and one that is due in an hour is not' deferred "$(sql "select state from penstock.job_state($soon)")"
"$penstock" job cancel "$soon" > /dev/null
is 'neither host took the other for dead' 0 "$(cat "$work/early.log" "$work/late.log" | grep -c 'taken for dead')"

# ---- ten thousand retries at once

enqueue_n again 10000
ok 'ten thousand jobs fail and are due at once' ended again
is 'each ended once, with its effect once' '10000 10000' "$(per_job again)"
is 'and failed once' '10000 10000' "$(sql "select count(*) || ' ' || count(distinct job) from penstock.failure where code = 'FIRST'")"
is 'nothing else failed' 10000 "$(sql 'select count(*) from penstock.failure')"
ok 'the snapshot was held all the while' held
ok 'the queue is in order' "$penstock" verify -q
for pid in "${hosts[@]}"; do ok 'a host drains' stop_host "$pid"; done
kill "$snapshot"
wait "$snapshot" 2> /dev/null
snapshot=

# ---- no room for the log, none for the state

if [ "$(id -u)" -eq 0 ]; then
	mkdir "$work/small"
	mount -t tmpfs -o size=256k tmpfs "$work/small" || { failed=1; exit 1; }
	fill() { dd if=/dev/zero of="$work/small/balloon" bs=4k status=none 2> /dev/null; [ -e "$work/small/balloon" ]; }
	ok 'a small disk is full' fill
	out=$("$penstock" run -s name=cramped -s "run_dir=$work/cramped" -s "state_dir=$work/small/state" 2>&1)
	is 'a host without room for its state does not start' 3 $?
	ok 'and says why' says 'No space left on device' echo "$out"
	ok 'with the place' says "$work/small/state" echo "$out"
	out=$("$penstock" run -s name=cramped -s "run_dir=$work/small/run" -s "state_dir=$work/state" 2>&1)
	is 'nor one without room for its counters' 3 $?
	ok 'and says why' says 'No space left on device' echo "$out"
else
	echo 'not tried: a full disk, which only root can make'
fi
"$penstock" run -s name=mute -s "run_dir=$work/mute" -s "state_dir=$work/state" -s log_level=debug > /dev/full 2>&1 &
hosts+=("$!")
mute=$!
ok 'a host whose log has no room starts' wait_for 90 listed mute
enqueue_n ledger 500
ok 'and works' wait_for 90 sql_is "select count(*) from penstock.jobs where pipeline = 'ledger' and state = 'completed'" 801
is 'each job once' '801 801' "$(per_job ledger)"
ok 'the queue is in order' "$penstock" verify -q
ok 'the host drains' stop_host "$mute"
