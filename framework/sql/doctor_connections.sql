-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_connections: Connections that there may be, and that there are.
-- $1 text: this machine's name
-- most bigint: for this role and database, without those kept for superusers; used bigint: of those, hosts bigint: by hosts,
-- here boolean: a host of this machine is listed
with activity as (
	select datname, usename, application_name from pg_stat_activity
	where datid is not null and coalesce(backend_type, 'client backend') = 'client backend' and pid <> pg_backend_pid()
), bounds as (
	select current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
	       - coalesce(current_setting('reserved_connections', true)::bigint, 0) as most, count(*) as used from activity
	union all
	select d.datconnlimit, (select count(*) from activity where datname = d.datname) from pg_database d
	where d.datname = current_database() and d.datconnlimit >= 0
	union all
	select r.rolconnlimit, (select count(*) from activity where usename = r.rolname) from pg_roles r
	where r.rolname = current_user and r.rolconnlimit >= 0
)
select most, used,
       (select count(*) from activity where application_name in ('penstock host', 'penstock worker', 'penstock look-up')) as hosts,
       exists (select from penstock.hosts where machine = $1) as here
from bounds order by most - used limit 1;
