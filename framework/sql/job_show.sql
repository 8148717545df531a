-- SPDX-License-Identifier: BSD-2-Clause
-- job_show: One job.
-- $1 id bigint
-- id bigint, pipeline text, stage text, state text, attempt smallint, hop smallint, since timestamptz, run_at timestamptz, host bigint,
-- created_at timestamptz, attributes json, body_bytes int, parent bigint, traceparent text
select s.id, s.pipeline, s.stage, s.state, s.attempt, s.hop, s.since, s.run_at, s.host, s.created_at, j.attributes,
       octet_length(case when j.body_job is null then j.body else penstock.body_of(j.body_job, j.body_hop) end) as body_bytes, j.parent, j.traceparent
from penstock.job_state($1) s join penstock.job j on j.id = s.id;
