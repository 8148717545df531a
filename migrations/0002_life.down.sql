-- SPDX-License-Identifier: BSD-2-Clause
-- Takes back 0002_life: keys, requests, totals and parents are forgotten, pauses end. Refused while jobs wait for their children.
do $$
begin
	if exists (select from penstock.waiting) or exists (select from penstock.ordered) then
		raise exception 'jobs wait for their children, or for their turn' using hint = 'Cancel them, or let them end, and try again.';
	end if;
end $$;
drop index penstock.job_parent;
alter table penstock.job drop column parent;
drop table penstock.bucket, penstock.turn, penstock.ordered, penstock.schedule, penstock.waiting, penstock.child, penstock.total, penstock.cancel_request, penstock.key;
alter table penstock.lane drop column paused_at, drop column max_running, drop column rate, drop column burst,
	drop column max_ready, drop column refuses, drop column full_since, drop column held_since;
