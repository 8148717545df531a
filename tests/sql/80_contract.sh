#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What others rely on: functions, views, columns and who may use them. UPDATE=1 writes it anew.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" # of run
cd "$top/tests/sql" || exit 1

contract() {
	run_sql <<-'END'
		select 'function ' || p.oid::regprocedure || ' -> ' || pg_get_function_result(p.oid) ||
		       case when p.prosecdef then ' [definer]' else '' end ||
		       coalesce(' for ' || (select string_agg(distinct r.rolname, ', ' order by r.rolname) from aclexplode(p.proacl) a join pg_roles r on r.oid = a.grantee
		                            where r.rolname <> 'penstock_owner'), '')
		from pg_proc p where p.pronamespace = 'penstock'::regnamespace order by 1;
		select 'view penstock.' || c.relname || '(' || string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum) || ')'
		from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
		where c.relnamespace = 'penstock'::regnamespace and c.relkind = 'v' group by c.relname order by 1;
		select 'table penstock.' || c.relname || '(' || string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then '' else ' null' end, ', ' order by a.attnum) || ')'
		from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		where c.relnamespace = 'penstock'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition group by c.relname order by 1;
		select 'grant ' || string_agg(distinct g.privilege_type, ',' order by g.privilege_type) || ' on penstock.' || g.table_name || ' to ' || g.grantee
		from information_schema.role_table_grants g join pg_class c on c.oid = ('penstock.' || g.table_name)::regclass
		where g.table_schema = 'penstock' and g.grantee like 'penstock\_%' and g.grantee <> 'penstock_owner' and not c.relispartition
		group by g.table_name, g.grantee order by g.table_name, g.grantee;
	END
}
contract > "$work/contract" || exit 1
if [ "$UPDATE" ]; then cp "$work/contract" contract.expected; fi
diff contract.expected "$work/contract"
