-- SPDX-License-Identifier: BSD-2-Clause
-- job_outputs: The messages that stages made of one job.
-- $1 id bigint
-- hop smallint, attributes json, body_bytes int
select o.hop, o.attributes, octet_length(o.body) as body_bytes from penstock.output o where o.job = $1::bigint order by o.hop;
