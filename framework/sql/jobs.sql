-- SPDX-License-Identifier: BSD-2-Clause
-- jobs: Jobs and their state, newest first.
-- $1 pipeline text, $2 stage text, $3 state text, $4 attribute text, $5 its value text (null: any), $6 most rows int
-- id bigint, pipeline text, stage text, state text, attempt smallint, since timestamptz, run_at timestamptz
select id, pipeline, stage, state, attempt, since, run_at from penstock.find_jobs($1, $2, $3, $4, $5) order by id desc limit $6::int;
