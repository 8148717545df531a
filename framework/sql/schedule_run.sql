-- SPDX-License-Identifier: BSD-2-Clause
-- schedule_run: A job of this schedule now.
-- $1 name text
-- job bigint
select penstock.run_schedule($1) as job;
