-- SPDX-License-Identifier: BSD-2-Clause
-- bell_set: Hangs the doorbell on lanes.
-- $1 host bigint, $2 lanes int[]
insert into penstock.doorbell (lane, host) select l, $1::bigint from pg_catalog.unnest($2::int[]) l on conflict do nothing;
