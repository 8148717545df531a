-- SPDX-License-Identifier: BSD-2-Clause
-- 0011_branches: children that take their job's message through several stages at once, and what they made of it joined.
--
-- Locks job and waiting for an instant, and job against writers while it looks for shared bodies, of which there are none: a second
-- for ten million jobs. A host of a version before reads a shared body as none: let routes lead to several stages when all are new.

-- A child that has its parent's message has its own attributes, and the body of that job at that hop (0: as it was enqueued) instead
-- of a copy. Never of one that itself shares another's.
alter table penstock.job add column body_job bigint, add column body_hop smallint;
create index job_body on penstock.job (body_job) where body_job is not null;

-- The children whose messages are joined when the job goes on, in the order of the route; null: none are.
alter table penstock.waiting add column branches bigint[];

-- A dead letter that died of its branches: how it waited for them. A replay lets it wait again.
create table penstock.unjoined (
	job       bigint   primary key,
	lane      int      not null,
	priority  smallint not null,
	hop       smallint not null,
	input_hop smallint not null,
	bytes     bigint   not null,
	children  int      not null,
	any_end   boolean  not null,
	last      boolean  not null,
	branches  bigint[] not null
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
alter table penstock.unjoined owner to penstock_owner;
