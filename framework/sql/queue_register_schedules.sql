-- SPDX-License-Identifier: BSD-2-Clause
-- queue_register_schedules: Makes the schedules of a host's configuration, or brings them up to date; those that stand in it no more go.
-- $1 name of the host text, $2 all its pipelines text[]; one element for each schedule: $3 names text[], $4 pipelines text[],
-- $5 cron text[], $6 time_zone text[], $7 attributes text[], $8 priority int[], $9 catch_up text[], $10 file and line text[]
-- dropped bigint
select penstock.register_schedules($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) as dropped;
