-- SPDX-License-Identifier: BSD-2-Clause
-- host_listens: Whether a host is told of new jobs or looks for them. Where it looks its doorbells come down, which nobody would hear.
-- $1 host bigint, $2 listens boolean
with taken_down as (
	delete from penstock.doorbell where host = $1::bigint and not $2::boolean
)
update penstock.host set listens = $2::boolean where id = $1::bigint;
