-- SPDX-License-Identifier: BSD-2-Clause
-- queue_drop_block: Drops the oldest block whose jobs ended long ago.
-- $1 age of the last end bigint, ms
-- jobs bigint: that went; -1: there is no such block
select coalesce(penstock.drop_block($1::bigint * interval '1 ms'), -1) as jobs;
