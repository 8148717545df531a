-- SPDX-License-Identifier: BSD-2-Clause
-- session_read: The mark that this session bears.
-- pid int, mark text: empty without one
select pg_backend_pid() as pid, coalesce(current_setting('penstock.mark', true), '') as mark;
