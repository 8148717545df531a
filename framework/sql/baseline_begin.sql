-- SPDX-License-Identifier: BSD-2-Clause
-- baseline_begin: When a recording begins, by the database's clock, and in which block of ids.
-- no arguments
-- at text, block bigint, server text (its version)
select clock_timestamp()::text as at, j.last_value >> penstock.block_bits() as block, current_setting('server_version') as server from penstock.job_id j;
