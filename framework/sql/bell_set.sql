-- SPDX-License-Identifier: BSD-2-Clause
-- bell_set: Hangs the doorbell on lanes. Not durable: a host that loses its connection hangs it again, and the janitor, who beats, does not wait
-- for a disk or a standby because of it.
-- $1 host bigint, $2 lanes int[]
-- set_config text, a row for each new one
insert into penstock.doorbell (lane, host) select l, $1::bigint from pg_catalog.unnest($2::int[]) l on conflict do nothing
returning pg_catalog.set_config('synchronous_commit', 'off', true);
