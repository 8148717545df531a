-- SPDX-License-Identifier: BSD-2-Clause
-- hosts: Living hosts.
-- id bigint, name text, machine text, pid int, version text, started_at timestamptz, running bigint, wake text: how new jobs
-- reach it: listen, or poll
select id, name, machine, pid, version, started_at, running::bigint, wake from penstock.hosts order by id;
