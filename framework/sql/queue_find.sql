-- SPDX-License-Identifier: BSD-2-Clause
-- queue_find: What became of a token after a lost reply. Waits for a transaction in flight that holds its row (the host sets lock_timeout first):
-- a plain look could find it while the old commit is under way.
-- $1 token uuid
-- n int: the lease is there
select n from penstock.lease where token = $1::uuid for update;
