-- SPDX-License-Identifier: BSD-2-Clause
-- queue_scan: Where ready jobs begin.
-- $1 lanes int[]
-- lane int, priority smallint, id bigint: best priority first within a lane
select lane, priority, id from penstock.lane_scan($1);
