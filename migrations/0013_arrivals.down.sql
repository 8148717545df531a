-- SPDX-License-Identifier: BSD-2-Clause
-- Takes back 0013_arrivals: what has arrived waits for its turn.
insert into penstock.ordered (id, pipeline, key, job, lane, priority, bytes, hop, input_hop)
select u.job, a.pipeline, u.key, u.job, a.lane, a.priority, a.bytes / a.n, a.hop, a.input_hop
from penstock.arrival a
cross join lateral unnest(array(select g.id from unnest(a.jobs) r cross join generate_series(lower(r), upper(r) - 1) as g(id) order by g.id), a.keys) as u(job, key);
drop table penstock.arrival;
-- those to come are behind them
select setval('penstock.row_id', greatest((select last_value from penstock.row_id), (select last_value from penstock.job_id)));
alter table penstock.ordered alter column key type text collate "default";
alter table penstock.turn alter column key type text collate "default";
