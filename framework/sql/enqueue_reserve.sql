-- SPDX-License-Identifier: BSD-2-Clause
-- enqueue_reserve: Ids for the bulk road.
-- $1 how many int
-- ids int8multirange
select penstock.reserve_ids($1) as ids;
