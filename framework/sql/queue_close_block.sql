-- SPDX-License-Identifier: BSD-2-Clause
-- queue_close_block: Ids go on in the next block when this one is old.
-- $1 age of its first job bigint, ms
-- closed int: 1 or 0
select penstock.close_block($1::bigint * interval '1 ms')::int as closed;
