-- SPDX-License-Identifier: BSD-2-Clause
-- queue_horizon: Which transactions may still write what we do not see: those from oldest on; the next one will be next.
-- oldest bigint, next bigint
select pg_snapshot_xmin(s)::text::bigint as oldest, pg_snapshot_xmax(s)::text::bigint as next from pg_current_snapshot() s;
