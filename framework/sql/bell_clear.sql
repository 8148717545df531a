-- SPDX-License-Identifier: BSD-2-Clause
-- bell_clear: Takes a host's doorbells down. Not durable, as bell_set.
-- $1 host bigint
-- set_config text, a row for each
delete from penstock.doorbell where host = $1::bigint
returning pg_catalog.set_config('synchronous_commit', 'off', true);
