-- SPDX-License-Identifier: BSD-2-Clause
-- schedule_drop: Drops a schedule.
-- $1 name text
-- dropped int: 1 or 0
select penstock.unschedule($1)::int as dropped;
