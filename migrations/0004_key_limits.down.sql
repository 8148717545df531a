-- SPDX-License-Identifier: BSD-2-Clause
-- Takes back 0004_key_limits: limits for each key are forgotten. Jobs that they hold back become ready.
insert into penstock.parcel (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
select lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs from penstock.parked order by id;
drop table penstock.parked;
alter table penstock.lease drop column key_jobs, drop column job_keys, drop column key_limit;
alter table penstock.lane drop column limit_key, drop column max_per_key;
