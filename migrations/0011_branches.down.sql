-- SPDX-License-Identifier: BSD-2-Clause
-- Takes back 0011_branches: shared bodies become copies, dead letters forget their branches. Refused while jobs wait for some.
do $$
begin
	if exists (select from penstock.waiting where branches is not null) then
		raise exception 'jobs wait for their branches' using hint = 'Cancel them, or let them end, and try again.';
	end if;
end $$;
update penstock.job j
set body = case when j.body_hop > 0 then (select o.body from penstock.output o where o.job = j.body_job and o.hop = j.body_hop)
                else (select b.body from penstock.job b where b.id = j.body_job) end
where j.body_job is not null;
drop table penstock.unjoined;
alter table penstock.waiting drop column branches;
drop index penstock.job_body;
alter table penstock.job drop column body_job, drop column body_hop;
