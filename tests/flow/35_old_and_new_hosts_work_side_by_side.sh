#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A host whose program does not know the schema refuses to work and says so, and loses nothing; on a
# newer one that says that it serves it, it works beside others. With OLD_PENSTOCK=FILE that older
# program is run on the schema of this one, beside a host of this one.
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

# ---- an older program: started on the new schema, and at work while the schema becomes new

if [ "${OLD_PENSTOCK:-}" ]; then
	sed "s|^plugin_path.*|plugin_path = \"$OLD_STAGES\";|" "$work/penstock.conf" > "$work/old.conf"
	run_old() { exec "$OLD_PENSTOCK" run -c "$work/old.conf" -s name=old -s "run_dir=$work/old" -s "state_dir=$work/old-state" >> "$work/old.log" 2>&1; }
	run_old &
	old=$!
	hosts+=("$old")
	refused() { ! kill -0 "$old" 2> /dev/null; }
	runs_or_refuses() { listed old || refused; }
	ok 'an older program works on a new schema or refuses it' wait_for 90 runs_or_refuses
	if refused; then
		ok "it refused: $(grep -v ' info ' "$work/old.log" | head -n 1)" grep -q 'hint' "$work/old.log"
	else
		ok 'it worked, and drains' stop_host "$old"
	fi

	sql 'create database upgrade'
	admin=${admin/dbname=postgres/dbname=upgrade}
	"$OLD_PENSTOCK" migrate up -q -c "$work/old.conf" -d "$admin"
	export PENSTOCK_DATABASE="${admin/user=postgres/user=penstock}"
	sql 'create table effect (job bigint); grant insert on effect to penstock_host'
	run_old &
	old=$!
	hosts+=("$old")
	ok 'an older program works on its schema' wait_for 90 listed old
	enqueue_n ledger 500
	ok 'the schema becomes new under its hands' "$penstock" migrate up -q -d "$admin"
	start_host new
	for _ in 1 2 3 4 5 6 7 8 9 10; do enqueue_n ledger 200; done
	ok 'all jobs end' wait_for 90 all_done 2500
	is 'each once' '2500 2500' "$(once)"
	is 'none is charged' 0 "$(sql 'select count(*) from penstock.failure')"
	ok 'the queue is in order' "$penstock" verify -q
	echo "it says since: $(grep -v ' info ' "$work/old.log" | tail -n 1)"
	ok 'the new one drains' stop_host "$host"
	ok "the old one ends" stop_host "$old"
fi
