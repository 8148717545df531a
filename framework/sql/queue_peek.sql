-- SPDX-License-Identifier: BSD-2-Clause
-- queue_peek: Where ready jobs begin, at or behind what is known of it.
-- one element a head: $1 lane int[], $2 priority smallint[], $3 first parcel id bigint[]
-- lane int, priority smallint, id bigint: those that have any
select lane, priority, id from penstock.lane_peek($1, $2, $3);
