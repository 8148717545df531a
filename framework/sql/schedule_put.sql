-- SPDX-License-Identifier: BSD-2-Clause
-- schedule_put: Makes or changes a schedule.
-- $1 name text, $2 pipeline text, $3 cron text, $4 attributes text, $5 time_zone text, $6 priority int, $7 catch_up text
-- next_at timestamptz
select penstock.schedule($1, $2, $3, $4::json, $5, $6, $7) as next_at;
