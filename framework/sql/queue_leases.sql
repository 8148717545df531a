-- SPDX-License-Identifier: BSD-2-Clause
-- queue_leases: What a host holds, as the database has it.
-- $1 host bigint
-- token uuid
select token from penstock.lease where host = $1;
