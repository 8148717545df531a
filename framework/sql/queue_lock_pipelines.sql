-- SPDX-License-Identifier: BSD-2-Clause
-- queue_lock_pipelines: Hosts that change pipelines take turns, in one order.
-- $1 names text[]
-- id int, one row a pipeline that is there
select id from penstock.pipeline where name = any ($1::text[]) order by id for update;
