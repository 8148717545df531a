-- SPDX-License-Identifier: BSD-2-Clause
-- enqueue_schedule: Makes copied rows ready, one parcel an element.
-- $1 lane int, $2 priority smallint, $3 n int[], $4 bytes bigint[], $5 jobs int8multirange[]
-- nothing
select penstock.schedule_copied($1, $2, $3, $4, $5);
