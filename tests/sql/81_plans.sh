#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The statements of the hot path use their indexes, over 100 000 jobs and 20 000 parcels: the scans that
# each of them made, functions' statements included. lease is left out: it has as many rows as there are
# workers, and is read as it pleases the planner. UPDATE=1 writes them anew.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" # of run
cd "$top/tests/sql" || exit 1

run_sql > /dev/null <<-'END' || exit 1
	select test.world();
	select test.put('p', 80000);
	select penstock.enqueue('q') from generate_series(1, 20000);
	select penstock.enqueue('p', run_at => now() + interval '1 hour') from generate_series(1, 2000);
	analyze;
END

statement() { sed '/^--/d; s/;$//' "$top/framework/sql/$1.sql"; }

# scans NAME SQL...: what the statements read, by the plans that ran
scans() {
	local name=$1
	shift
	echo "-- $name"
	{
		echo "load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on; set auto_explain.log_analyze = on; set auto_explain.log_timing = off; set client_min_messages = log;"
		printf '%s;\n' "$@"
	} | run_sql 2>&1 | tee "$work/explained" | grep -E '(Seq|Index|Index Only|Bitmap Heap|Tid|Tid Range) Scan' | grep -v 'never executed' |
		sed -E 's/^.*->//; s/ \(.*//; s/^ +//; s/_[0-9]+( |$)/_N\1/g; s/ [a-z]+(_[0-9]+)?$//; s/ +$//' |
		grep -E ' on (job|parcel|deferred|settled|output|dead|ordered|turn|missed|arrival)' | sort -u
}

{
	scans 'claim of singles' "select * from penstock.claim_take(test.token(1), 1, 3, 500, 1000000, 500, '{0}', '{1}')"
	scans 'claim with a split' "select * from penstock.claim_take(test.token(2), 1, 1, 500, 1000000, 2, '{0}', '{1}')"
	scans 'messages' "prepare m(uuid, int) as $(statement queue_messages)" "execute m(test.token(2), 65536)"
	scans 'scan' "prepare s(int[]) as $(statement queue_scan)" "execute s('{1,2,3}')"
	scans 'settle' "select test.settle(2, 2, (select jobs from penstock.lease where token = test.token(2)))"
	# settled has one page here: how that is read says nothing
	scans 'ends of a run' "prepare e(text, bigint, bigint) as $(statement bench_ends)" "execute e('p', 1, 80000)" | grep -v ' on settled'
	scans 'ends of a recording' "prepare b(text, text, bigint, int) as $(statement baseline_settled)" \
		"execute b('p', '2000-01-01', 0, 100000)" | grep -v ' on settled'
	scans 'wake' "select * from penstock.wake(100)"
	scans 'void' "select penstock.void_lease(test.token(1))"
	scans 'enqueue' "select penstock.enqueue('p')"
	scans 'pack' "select penstock.pack(3, 2000)"
	# one session: what it planned while no key waited, it uses for three thousand
	scans 'ordering keys' 'select penstock.give_turns(100)' 'select test.settle(3, 2, jobs) from test.claim(3, 1, 2)' \
		"select count(*) from unnest(penstock.enqueue_many('p', array_fill('{}'::json, array[6000]), ordering_keys => array(select 'k' || n % 3000 from generate_series(1, 6000) n), priority => -1))" \
		'select penstock.give_turns(3000)' 'select penstock.give_turns(3000)' 'select penstock.give_turns(3000)' \
		'select test.settle(4, 2, jobs) from test.claim(4, 3000, 1)' 'select test.settle(5, 2, jobs) from test.claim(5, 3000, 1)'
	cp "$work/explained" "$work/keys"
} > "$work/plans"
if [ "$UPDATE" ]; then cp "$work/plans" plans.expected; fi
diff plans.expected "$work/plans" || exit 1
if grep 'Seq Scan' "$work/plans"; then
	echo 'a whole table is read'
	exit 1
fi
if ! grep -q 'with ended as' "$work/keys" || grep -B 12 -E 'Rows Removed by (Join )?Filter: [0-9]{5}' "$work/keys"; then
	echo 'keys are compared with keys'
	exit 1
fi
for what in 'claim of singles' messages scan 'ends of a run' 'ends of a recording' wake; do
	awk -v w="-- $what" '$0 == w { inside = 1; next } /^--/ { inside = 0 } inside { n++ } END { exit n > 0 ? 0 : 1 }' "$work/plans" ||
		{ echo "no scan was seen in: $what"; exit 1; }
done
