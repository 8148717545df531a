-- SPDX-License-Identifier: BSD-2-Clause
-- dead_list: Dead letters, newest first.
-- $1 pipeline text, $2 stage text, $3 code text, $4 since timestamptz, $5 until timestamptz, $6 attribute text, $7 its value text (null: any),
-- $8 most rows int
-- id bigint, pipeline text, stage text, at timestamptz, attempts smallint, code text, message text
select id, pipeline, stage, at, attempts, code, message from penstock.find_dead($1, $2, $3, $4::timestamptz, $5::timestamptz, $6, $7) order by at desc, id desc limit $8::int;
