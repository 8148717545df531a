-- SPDX-License-Identifier: BSD-2-Clause
-- lock_patience: How long the rest of this transaction waits for a lock.
-- $1 duration text, as PostgreSQL reads it: '2s'
-- set_config text
select set_config('lock_timeout', $1::text, true);
