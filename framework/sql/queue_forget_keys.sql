-- SPDX-License-Identifier: BSD-2-Clause
-- queue_forget_keys: Forgets expired idempotency keys.
-- $1 most int
-- keys bigint
select penstock.forget_keys($1) as keys;
