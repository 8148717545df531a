-- SPDX-License-Identifier: BSD-2-Clause
-- session_mark: Leaves a mark in the session, and tells what of the host's own options arrived.
-- $1 text: the mark
-- pid int, mark text, kept boolean: the options that the session was opened with are in force
select pg_backend_pid() as pid, set_config('penstock.mark', $1, false) as mark,
       current_setting('jit') = 'off' and current_setting('idle_in_transaction_session_timeout') = '5min'
       and current_setting('timezone') = 'UTC' and current_setting('default_transaction_isolation') = 'read committed' as kept;
