-- SPDX-License-Identifier: BSD-2-Clause
-- queue_pack: Merges small parcels of a lane.
-- $1 lane int, $2 most parcels int, $3 priority smallint and $4 id bigint: where to go on (0: behind the head)
-- fewer int; priority smallint, next bigint: where the next call goes on (null, 0: it is over)
select fewer, priority, next from penstock.pack($1, $2, $3, $4);
