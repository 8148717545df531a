-- SPDX-License-Identifier: BSD-2-Clause
-- queue_claim_lightly: The transaction does not wait for its commit to reach the disk; sent before a claim that comes without a settlement.
-- What a crash of the server takes back is a lease: its jobs are ready, and its settlement is refused.
-- no arguments
-- set_config text
select pg_catalog.set_config('synchronous_commit', 'off', true);
