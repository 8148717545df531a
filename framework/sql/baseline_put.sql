-- SPDX-License-Identifier: BSD-2-Clause
-- baseline_put: Keeps a recording, without its stages.
-- $1 name text, $2 pipeline text, $3 seconds float8, $4 machine text, $5 workers int, $6 version text, $7 configuration text, $8 load text,
-- $9 end_jobs int[], $10 end_us bigint[], $11 cores float8, $12 used_s float8, $13 others_s float8, $14 stolen_s float8, $15 waited_s float8
-- id bigint; no row: there is one of that name, and it stays
insert into penstock.baseline as b (name, pipeline, seconds, machine, workers, version, server, configuration, load, end_jobs, end_us, cores,
                                    used_s, others_s, stolen_s, waited_s)
values ($1, $2, $3::float8, $4, $5, $6, current_setting('server_version'), $7, $8, $9::int[], $10::bigint[], $11::float8, $12::float8, $13::float8,
        $14::float8, $15::float8)
on conflict (name) do nothing
returning b.id;
