-- SPDX-License-Identifier: BSD-2-Clause
-- job_failures: The failures of one job, oldest first.
-- $1 id bigint
-- stage text, attempt smallint, at timestamptz, code text, message text, release text
select l.stage, f.attempt, f.at, f.code, f.message, f.release
from penstock.failure f join penstock.lane l on l.id = f.lane
where f.job = $1::bigint order by f.id;
