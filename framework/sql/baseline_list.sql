-- SPDX-License-Identifier: BSD-2-Clause
-- baseline_list: Recordings, newest first.
-- $1 name text, null: all
-- id bigint, name text, pipeline text, recorded_at timestamptz, seconds float8, jobs bigint (of the first stage), load text, machine text,
-- workers int, version text, server text, configuration text, cores float8, used_s float8, others_s float8, stolen_s float8, waited_s float8
select b.id, b.name, b.pipeline, b.recorded_at, b.seconds,
       (select coalesce(sum(s.jobs), 0)::bigint from penstock.baseline_stage s
        where s.baseline = b.id and s.stage = (select f.stage from penstock.baseline_stage f where f.baseline = b.id order by f.position limit 1)) as jobs,
       b.load, b.machine, b.workers, b.version, b.server, b.configuration, b.cores, b.used_s, b.others_s,
       b.stolen_s, b.waited_s
from penstock.baseline b
where $1::text is null or b.name = $1::text
order by b.recorded_at desc, b.id desc;
