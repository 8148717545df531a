-- SPDX-License-Identifier: BSD-2-Clause
-- profile_server: The server's processes that work for hosts, and whether they may be on this machine: the connection is by a socket of it, or
-- from the address that the server itself has. A tunnel looks like that too: who asks compares the start of its own session's process.
-- pid int, worker boolean: it serves a worker's session; here boolean; asks boolean: it serves this session; start_s float8: since 1970, null where
-- this role may not see it
select a.pid, coalesce(a.application_name, '') in ('penstock worker', 'penstock look-up') as worker,
       inet_client_addr() is null or inet_client_addr() = inet_server_addr() as here, a.pid = pg_backend_pid() as asks,
       extract(epoch from a.backend_start)::float8 as start_s
from pg_catalog.pg_stat_activity a
where (a.datname = current_database() and a.application_name like 'penstock%' and a.client_addr is not distinct from inet_client_addr())
   or a.backend_type <> 'client backend'
order by 1;
