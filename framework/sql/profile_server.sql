-- SPDX-License-Identifier: BSD-2-Clause
-- profile_server: The server's processes that work for hosts, and whether they may be on this machine: then the connection is by a socket of it.
-- pid int, worker boolean: it serves a worker's session; here boolean
select a.pid, coalesce(a.application_name, '') in ('penstock worker', 'penstock look-up') as worker, inet_client_addr() is null as here
from pg_catalog.pg_stat_activity a
where (a.datname = current_database() and a.application_name like 'penstock%' and a.client_addr is not distinct from inet_client_addr())
   or a.backend_type <> 'client backend'
order by 1;
