-- SPDX-License-Identifier: BSD-2-Clause
-- enqueue_one: One job.
-- $1 pipeline text, $2 attributes json, $3 body bytea, $4 priority int
-- id bigint
select penstock.enqueue($1, $2, $3, $4) as id;
