#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Enqueue from psql, the command line and node; run; look at what became of it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure
pipeline echo 'name = "first"; plugin = "echo";' 'name = "second"; plugin = "upper";'
start_database
start_host one

# ---- from SQL, inside the application's own transaction

sql "begin; create table orders (id int); insert into orders values (1); select penstock.enqueue('echo'); rollback" > /dev/null
is 'a job enqueued in a transaction that is rolled back does not exist' 0 "$(sql 'select count(*) from penstock.job')"
id=$(sql "begin; create table orders (id int); insert into orders values (1);
          select penstock.enqueue('echo', '{\"text\": \"hello\"}'); commit" | tail -n 1)
ok 'one in a transaction that commits is processed' "$penstock" wait echo --timeout 300s
is 'and its state says so' completed "$(sql "select state from penstock.job_state($id)")"
ok 'verify counts it as one' says 'dead or settled: 1' "$penstock" verify
ok 'the command shows it with what the stages made of it' says 'echo/first' "$penstock" job show "$id"
is 'many jobs go in with one call' 250 "$(sql "select cardinality(penstock.enqueue_many('echo', array_fill('{}'::json, array[250])))")"
ok 'and are all processed' "$penstock" wait echo --timeout 300s
is 'each of them once' 251 "$(settled_n echo)"

# ---- from another language's driver

if modules=$("$top/tests/support/node/modules"); then
	cat > "$work/enqueue.js" <<-'END'
		const { Client } = require('pg');
		(async () => {
			const c = new Client({ host: process.argv[2], port: 5432, user: 'shop', database: 'postgres' });
			await c.connect();
			await c.query('begin');
			await c.query("select penstock.enqueue('echo', $1)", [{ from: 'node', rolled: 'back' }]);
			await c.query('rollback');
			await c.query('begin');
			const r = await c.query('select penstock.enqueue($1, $2, $3) as id',
				['echo', { from: 'node' }, Buffer.from([0, 255, 10])]);
			await c.query('commit');
			console.log(r.rows[0].id);
			await c.end();
		})().catch(e => { console.error(e.message); process.exit(1); });
	END
	sql 'create role shop login in role penstock_enqueue'
	id=$(NODE_PATH=$modules node "$work/enqueue.js" "$work/pg/socket")
	ok 'node-postgres enqueues, with a body, as a role that may do nothing else' test "$id" -gt 0
	ok 'and its job is processed' "$penstock" wait echo --timeout 300s
	is 'it saw the three bytes' 3 "$(sql "select attributes->>'saw_bytes' from penstock.output where job = $id order by hop limit 1")"
	is 'the one that was rolled back is not there' 0 "$(sql "select count(*) from penstock.job where attributes->>'rolled' = 'back'")"
else
	echo "        $modules"
fi

# ---- from the command line

id=$("$penstock" enqueue echo '{"text": "one"}')
ok 'the command line enqueues one job and prints its id' test "$id" -gt 0
printf 'any\0bytes' > "$work/body"
id=$("$penstock" enqueue echo '{}' --body "$work/body")
is 'with a body from a file' 9 "$(sql "select octet_length(body) from penstock.job where id = $id")"
for i in $(seq 2500); do echo "{\"n\": $i}"; done > "$work/lines"
is 'a file of JSON lines is streamed' 2500 "$("$penstock" enqueue echo --lines "$work/lines" --json | grep -o '"jobs": [0-9]*' | grep -o '[0-9]*')"
is 'also from stdin' 2 "$(printf '{"a": 1}\n\n{"a": 2}\n' | "$penstock" enqueue echo --lines - --json | grep -o '"jobs": [0-9]*' | grep -o '[0-9]*')"
printf '{"a": 1}\n{"a": 1\n' > "$work/bad"
before=$(sql 'select count(*) from penstock.job')
ok 'a line that is no JSON is told with its number' says "bad:2: " "$penstock" enqueue echo --lines "$work/bad"
is 'and nothing is enqueued' "$before" "$(sql 'select count(*) from penstock.job')"
ok 'attributes must be an object' exits 2 "$penstock" enqueue echo '[1]'
ok 'an unknown pipeline is told with the known ones' says "Known: echo" "$penstock" enqueue ecko
ok 'and is the exit code of wrong input' exits 2 "$penstock" enqueue ecko
ok 'everything drains' "$penstock" wait --timeout 300s
ok 'a negative priority is taken' "$penstock" enqueue echo --priority=-5
ok 'one beyond 16 bits is not' exits 2 "$penstock" enqueue echo --priority 40000

# ---- what the commands show

ok 'status shows hosts, lanes and stages' says 'second' "$penstock" status
ok 'wait for an unknown pipeline is refused' exits 2 "$penstock" wait nothing
ok 'jobs are listed by state' says 'completed' "$penstock" jobs --state completed --limit 3
ok 'an unknown state is refused' exits 2 "$penstock" jobs --state finished
ok 'a job that is not there is told' exits 1 "$penstock" job show 999999999
for c in status lanes hosts jobs verify 'migrate status' 'job show 2' check 'plugin inspect echo'; do
	# shellcheck disable=SC2086
	[ "$c" = check ] || ok "$c --json is JSON" sql "select '$("$penstock" $c --json 2> /dev/null | sed "s/'/''/g")'::json"
done
ok 'the queue is in order' "$penstock" verify

# ---- without a database, and with a wrong one

ok 'a database that is away is told with what to do' says 'hint' "$penstock" lanes -d 'host=/nonexistent'
ok 'with its own exit code' exits 3 "$penstock" lanes -d 'host=/nonexistent'
ok 'a database without the schema names the command that makes it' says 'penstock migrate up' \
	timeout 90 "$penstock" run -d "${admin/dbname=postgres/dbname=template1}" -s "run_dir=$work/x" -s "state_dir=$work/x"

ok 'the host drains at SIGTERM' stop_host "$host"
is 'and leaves no host behind' 0 "$(sql 'select count(*) from penstock.host')"
is 'nor a lease' 0 "$(sql 'select count(*) from penstock.lease')"
