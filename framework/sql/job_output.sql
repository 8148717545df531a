-- SPDX-License-Identifier: BSD-2-Clause
-- job_output: The message that a job has by now, or had at a hop.
-- $1 id bigint, $2 hop smallint (null: the last; 0: as it was enqueued)
-- attributes json, body bytea; no row: it has none there
select attributes, body
from (select j.attributes, case when j.body_job is null then j.body else penstock.body_of(j.body_job, j.body_hop) end as body, 0::smallint as hop from penstock.job j where j.id = $1::bigint
      union all
      select o.attributes, o.body, o.hop from penstock.output o where o.job = $1::bigint) m
where $2::smallint is null or hop = $2::smallint
order by hop desc limit 1;
