-- SPDX-License-Identifier: BSD-2-Clause
-- queue_pack: Merges small parcels of a lane.
-- $1 lane int, $2 most parcels int
-- fewer int
select penstock.pack($1, $2) as fewer;
