-- SPDX-License-Identifier: BSD-2-Clause
-- queue_body: A body that did not come inline.
-- $1 job bigint, $2 input_hop smallint (0: the job's own)
-- body bytea
select case when $2::smallint > 0 then (select o.body from penstock.output o where o.job = $1::bigint and o.hop = $2::smallint)
            else (select case when j.body_job is null then j.body else penstock.body_of(j.body_job, j.body_hop) end
                  from penstock.job j where j.id = $1::bigint) end as body;
