-- SPDX-License-Identifier: BSD-2-Clause
-- Takes back 0010_turns: a replayed dead letter takes no turn again. Those that wait for theirs become ready.
insert into penstock.parcel (lane, priority, hop, input_hop, n, bytes, jobs)
select lane, priority, hop, input_hop, 1, bytes, int8multirange(int8range(job, job + 1)) from penstock.ordered where hop > 0 order by id;
delete from penstock.ordered where hop > 0;
drop table penstock.missed;
alter table penstock.turn drop column place;
alter table penstock.ordered drop column hop, drop column input_hop;
