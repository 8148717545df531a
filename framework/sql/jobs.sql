-- SPDX-License-Identifier: BSD-2-Clause
-- jobs: Jobs and their state, newest first.
-- $1 pipeline text, $2 stage text, $3 state text (null: any), $4 most rows int
-- id bigint, pipeline text, stage text, state text, attempt smallint, since timestamptz, run_at timestamptz
select id, pipeline, stage, state, attempt, since, run_at
from penstock.jobs
where ($1::text is null or pipeline = $1::text) and ($2::text is null or stage = $2::text) and ($3::text is null or state = $3::text)
order by id desc
limit $4::int;
