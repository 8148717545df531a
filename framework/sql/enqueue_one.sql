-- SPDX-License-Identifier: BSD-2-Clause
-- enqueue_one: One job, with all that it may have.
-- $1 pipeline text, $2 attributes text, $3 body bytea, $4 priority int, $5 delay bigint ms (null: none), $6 run_at timestamptz (null: none), $7 key text,
-- $8 traceparent text, $9 ordering_key text
-- id bigint
select penstock.enqueue($1, $2::json, $3::bytea, $4, coalesce($6::timestamptz, clock_timestamp() + $5::bigint * interval '1 ms'), $8, $7, ordering_key => $9) as id;
