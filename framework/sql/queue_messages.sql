-- SPDX-License-Identifier: BSD-2-Clause
-- queue_messages: The messages of a lease, by id. Sent right behind the claim: a newer snapshot, in which every job of the lease is visible, and
-- no payload goes through a function. The LIMIT fences: without it the planner scans the whole of job. Polymorphic functions are named in full:
-- an exact match in public would win over them (tests/sql/63_hostile_objects.sh).
-- Twice: to look for an output of each job, where none can be, costs more than all the rest.
-- $1 token uuid, $2 largest body that comes inline, bytes, int
-- id bigint, attributes json, body_bytes int (null: no body), body bytea (null: none, or too large), traceparent text
select j.id, j.attributes, octet_length(b.body) as body_bytes, case when octet_length(b.body) <= $2::int then b.body end as body, j.traceparent
from penstock.lease l, pg_catalog.unnest(l.jobs) r
cross join lateral (select * from penstock.job j where j.id >= pg_catalog.lower(r) and j.id < pg_catalog.upper(r)
                    order by j.id limit pg_catalog.upper(r) - pg_catalog.lower(r)) j
cross join lateral (select case when j.body_job is null then j.body else penstock.body_of(j.body_job, j.body_hop) end as body) b
where l.token = $1::uuid and l.input_hop = 0
union all
select j.id, case when o.job is null then j.attributes else o.attributes end, octet_length(b.body),
       case when octet_length(b.body) <= $2::int then b.body end, j.traceparent
from penstock.lease l, pg_catalog.unnest(l.jobs) r
cross join lateral (select * from penstock.job j where j.id >= pg_catalog.lower(r) and j.id < pg_catalog.upper(r)
                    order by j.id limit pg_catalog.upper(r) - pg_catalog.lower(r)) j
left join lateral (select * from penstock.output o where o.job = j.id and o.hop = l.input_hop limit 1) o on true
cross join lateral (select case when o.job is not null then o.body when j.body_job is null then j.body
                                 else penstock.body_of(j.body_job, j.body_hop) end as body) b
where l.token = $1::uuid and l.input_hop > 0;
