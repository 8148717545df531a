#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A host whose program does not know the schema refuses to work and says so, and loses nothing; on a
# newer one that says that it serves it, it works beside others. With OLD_PENSTOCK=FILE, and its stages in
# OLD_STAGES, that older program is run on the schema of this one, beside a host of this one.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure
pipeline ledger 'name = "first"; plugin = "echo";' 'name = "insert"; plugin = "insert"; durable = true;'
start_database
sql 'create table effect (job bigint); grant insert on effect to penstock_host'
all_done() { [ "$(settled_n ledger)" -eq "$1" ]; }
once() { sql "select count(*) || ' ' || count(distinct job) from effect"; }
try() { timeout 90 "$penstock" run -s name=tried -s "run_dir=$work/tried" -s "state_dir=$work/state" > "$work/tried.log" 2>&1; }

# ---- this program, and a schema that it does not know

start_host one
enqueue_n ledger 100
ok 'a host works' wait_for 90 all_done 100
last=$(sql "select max(version) from penstock.migration where component = 'penstock'")
sql "create table kept as select * from penstock.migration where component = 'penstock' and version = $last;
     delete from penstock.migration where component = 'penstock' and version = $last"
try
is 'on an older schema it does not start' 2 $?
ok 'and says what to do' says 'penstock migrate up' cat "$work/tried.log"
ok 'the one that runs is not disturbed' bash -c "kill -0 $host"
sql "insert into penstock.migration select * from kept"
sql "update penstock.migration set checksum = 'edited' where component = 'penstock' and version = $last"
try
is 'on one that was edited neither' 2 $?
sql "update penstock.migration m set checksum = k.checksum from kept k where m.component = k.component and m.version = k.version"
enqueue_n ledger 100
ok 'the host goes on' wait_for 90 all_done 200
is 'each job once' '200 200' "$(once)"

# ---- this program as the older one: a schema that came later, and says whom it serves

ok 'the schema becomes newer under its hands' sql "
	alter table penstock.job add came_from text;
	alter table penstock.host add colour text default 'red';
	create table penstock.later (job bigint);
	insert into penstock.migration (component, version, name, checksum, serves) values ('penstock', $((last + 1)), 'later', 'x', $last);
	update penstock.migration set checksum = 'newer' where component = 'penstock' and version = 0"
one=$host
start_host tried
ok 'another one starts on it' listed tried
ok 'and says so' grep -q 'the schema is newer than this program, and serves it' "$work/tried.log"
ok 'so does the doctor' says 'serves it until it is upgraded' "$penstock" doctor -d "$admin"
enqueue_n ledger 300
ok 'both work' wait_for 90 all_done 500
is 'each job once' '500 500' "$(once)"
ok 'the commands do' says ledger "$penstock" lanes
ok 'but not those that change the schema' exits 2 "$penstock" migrate up -d "$admin"
ok 'which say why' says 'newer than this program' "$penstock" migrate up -d "$admin"
ok 'its host drains' stop_host "$host"
sql "update penstock.migration set serves = version where version = $((last + 1))"
try
is 'one that does not serve it is refused' 2 $?
ok 'and says why' says 'newer than this program' cat "$work/tried.log"
ok 'the one that runs is not disturbed' bash -c "kill -0 $one"
enqueue_n ledger 100
ok 'it goes on' wait_for 90 all_done 600
is 'none is charged' 0 "$(sql 'select count(*) from penstock.failure')"
ok 'the queue is in order' "$penstock" verify -q
ok 'the host drains' stop_host "$one"

# ---- an older program: at work while the schema becomes new, and started on the new one

if [ "${OLD_PENSTOCK:-}" ]; then
	sed "s|^plugin_path.*|plugin_path = \"$OLD_STAGES\";|" "$work/penstock.conf" > "$work/old.conf"
	start_old() { # NAME
		"$OLD_PENSTOCK" run -c "$work/old.conf" -s "name=$1" -s "run_dir=$work/$1" -s "state_dir=$work/$1-state" > "$work/$1.log" 2>&1 &
		old=$!
		hosts+=("$old")
	}
	keyed_n() { sql "select count(penstock.enqueue('ledger', ordering_key => 'k' || i % 10)) from generate_series(1, $1) i" > /dev/null; }
	sql 'create database upgrade'
	admin=${admin/dbname=postgres/dbname=upgrade}
	"$OLD_PENSTOCK" migrate up -q -c "$work/old.conf" -d "$admin"
	newest=$(sql "select max(version) from penstock.migration where component = 'penstock'")
	export PENSTOCK_DATABASE="${admin/user=postgres/user=penstock}"
	sql 'create table effect (job bigint); grant insert on effect to penstock_host'
	start_old old
	ok "an older program, of the migration $newest, works on its schema" wait_for 90 listed old
	enqueue_n ledger 400
	keyed_n 100
	ok 'the schema becomes new under its hands' "$penstock" migrate up -q -d "$admin"
	start_host new
	for _ in 1 2 3 4 5 6 7 8 9 10; do enqueue_n ledger 200; done
	ok 'all jobs end' wait_for 90 all_done 2500
	is 'each once' '2500 2500' "$(once)"
	ok 'the queue is in order' "$penstock" verify -q
	ok 'the new one drains' stop_host "$host"

	# one that is not served may die of the new schema, and its process is refused when it comes back
	ended() { ! kill -0 "$old" 2> /dev/null; }
	served=$(sql "select coalesce(bool_and(serves <= $newest), true) from
		(select coalesce(serves, version) as serves from penstock.migration where component = 'penstock' and version > $newest) later")
	if [ "$served" = t ]; then
		is 'none is charged' 0 "$(sql 'select count(*) from penstock.failure')"
		ok 'no process of the old one died' test "$(grep -c 'a host process died' "$work/old.log")" -eq 0
		ok 'it drains' stop_host "$old"
	else
		kill -TERM "$old" 2> /dev/null
		ok 'the old one ends' wait_for 90 ended
		sed 's/^/        it said: /' "$work/old.log"
	fi
	start_old again
	if [ "$served" = t ]; then
		ok 'it is served by the migrations behind its own: it starts on the new schema' wait_for 90 listed again
		enqueue_n ledger 200
		keyed_n 100
		ok 'alone it ends all jobs' wait_for 90 all_done 2800
		start_host both
		for _ in 1 2 3 4 5; do
			enqueue_n ledger 150
			keyed_n 50
		done
		ok 'and beside a new one' wait_for 90 all_done 3800
		is 'each once' '3800 3800' "$(once)"
		is 'none is charged' 0 "$(sql 'select count(*) from penstock.failure')"
		ok 'the queue is in order' "$penstock" verify -q
		ok 'the new one drains' stop_host "$host"
		ok 'the old one drains' stop_host "$old"
	else
		ok 'a migration behind its own does not serve it: it ends' wait_for 90 ended
		wait "$old"
		is 'as a mistake of configuration' 2 $?
		ok 'says why' grep -q 'which this program does not know' "$work/again.log"
		ok 'and what to do' grep -q 'hint: use the version of penstock that made it' "$work/again.log"
		sed 's/^/        it said: /' "$work/again.log"
	fi
fi
