-- SPDX-License-Identifier: BSD-2-Clause
-- baseline_stage_put: Keeps one stage and release of a recording.
-- $1 baseline bigint, $2 position int, $3 stage text, $4 release text, $5 calls bigint, $6 jobs bigint, $7 errors bigint, $8 wall_ns bigint,
-- $9 cpu_ns bigint, $10 db_ns bigint, $11 allocated bigint, $12 histogram bigint[], $13 lost bigint, $14 call_jobs int[],
-- $15 call_errors int[], $16 call_wall bigint[], $17 call_cpu bigint[], $18 call_db bigint[], $19 call_allocated bigint[]
insert into penstock.baseline_stage values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19);
