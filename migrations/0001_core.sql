-- SPDX-License-Identifier: BSD-2-Clause
-- 0001_core: roles and the tables of the queue.
--
-- A job row is written once and never updated. A job's state is which of
-- parcel, deferred, lease, settled and dead holds its id (docs/decisions/0001).
-- Locks nothing that exists; takes milliseconds.

do $$
declare
	r text;
begin
	foreach r in array array['penstock_owner', 'penstock_host', 'penstock_enqueue', 'penstock_read',
	                         'penstock_read_payload', 'penstock_admin'] loop
		if not exists (select from pg_roles where rolname = r) then
			begin
				execute format('create role %I nologin', r);
			exception
				when duplicate_object or unique_violation then null; -- another database of this cluster was faster
				when insufficient_privilege then
					raise exception 'role % is missing and % may not create it', r, current_user
						using errcode = '42501',
						      hint = format('As a superuser: create role %I nologin; or run the migration with a role that has CREATEROLE.', r);
			end;
		end if;
	end loop;
end $$;

-- made with the ledger of migrations in it
alter schema penstock owner to penstock_owner;
comment on schema penstock is 'penstock: durable jobs through pipelines of native stages';
grant usage on schema penstock to penstock_host, penstock_enqueue, penstock_read, penstock_read_payload, penstock_admin;

create table penstock.pipeline (
	id   int  generated always as identity primary key,
	name text not null unique
);

-- The queue in front of one stage. position 0 is where enqueued jobs go.
create table penstock.lane (
	id           int      generated always as identity primary key,
	pipeline     int      not null references penstock.pipeline,
	stage        text     not null,
	position     smallint not null,
	max_attempts smallint not null,
	unique (pipeline, stage)
);

-- One boot of one host process. beat grows; a beat that stands still is a dead host.
create table penstock.host (
	id         bigint      generated always as identity primary key,
	boot       uuid        not null unique,
	name       text        not null,
	machine    text        not null,
	pid        int         not null,
	version    text        not null,
	started_at timestamptz not null default clock_timestamp(),
	beat       bigint      not null default 0
) with (fillfactor = 50, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- A host that is about to sleep asks enqueue to notify.
create table penstock.doorbell (
	lane int    not null,
	host bigint not null,
	primary key (lane, host)
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);

create sequence penstock.job_id as bigint;
create sequence penstock.parcel_id as bigint;
create sequence penstock.row_id as bigint;

create table penstock.job (
	id          bigint      not null,
	pipeline    int         not null,
	created_at  timestamptz not null default now(),
	attributes  json        not null default '{}' constraint attributes_are_an_object check (json_typeof(attributes) = 'object'),
	body        bytea,
	traceparent text,
	primary key (id)
) partition by range (id);
alter table penstock.job alter attributes set statistics 0, alter body set statistics 0, alter traceparent set statistics 0;

-- Only where a stage changed the message. hop counts the stages passed.
create table penstock.output (
	job        bigint   not null,
	hop        smallint not null,
	attributes json     not null,
	body       bytea,
	primary key (job, hop)
) partition by range (job);
alter table penstock.output alter attributes set statistics 0, alter body set statistics 0;

-- One row for each failed attempt, and for each discard that gave a reason.
create table penstock.failure (
	job     bigint      not null,
	id      bigint      not null default nextval('penstock.row_id'),
	lane    int         not null,
	attempt smallint    not null,
	at      timestamptz not null default clock_timestamp(),
	code    text        not null,
	message text        not null,
	detail  json,
	release text        not null,
	primary key (job, id)
) partition by range (job);

-- outcome: 2 completed, 3 discarded, 4 cancelled. Cut at blocks of ids.
create table penstock.settled (
	block   int         not null,
	id      bigint      not null default nextval('penstock.row_id'),
	lane    int         not null,
	outcome smallint    not null check (outcome between 2 and 4),
	at      timestamptz not null default clock_timestamp(),
	n       int         not null check (n > 0),
	jobs    int8multirange not null,
	primary key (block, id)
) partition by range (block);
create index settled_jobs on penstock.settled using gist (jobs);
alter table penstock.settled alter jobs set statistics 0;

-- Ready. The primary key is the order of work, the key and the replica identity in one index.
-- hold: 0 none, 1 control only, 2 isolate (never taken together with others).
create table penstock.parcel (
	lane      int      not null,
	priority  smallint not null,
	id        bigint   not null default nextval('penstock.parcel_id'),
	attempt   smallint not null default 0,
	hop       smallint not null default 0,
	input_hop smallint not null default 0,
	hold      smallint not null default 0,
	n         int      not null check (n > 0),
	bytes     bigint   not null default 0,
	jobs      int8multirange not null,
	primary key (lane, priority, id)
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 10000, autovacuum_analyze_scale_factor = 0.5);
alter table penstock.parcel alter jobs set statistics 0;

-- Not before run_at: a retry, a snooze, a job for later.
create table penstock.deferred (
	id        bigint   not null default nextval('penstock.row_id') primary key,
	lane      int      not null,
	priority  smallint not null,
	attempt   smallint not null,
	hop       smallint not null,
	input_hop smallint not null,
	hold      smallint not null,
	n         int      not null check (n > 0),
	bytes     bigint   not null,
	jobs      int8multirange not null,
	run_at    timestamptz not null
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
create index deferred_due on penstock.deferred (run_at);
alter table penstock.deferred alter jobs set statistics 0;

-- Running: what one claim took. The token is drawn by the host.
create table penstock.lease (
	token     uuid     primary key,
	host      bigint   not null,
	lane      int      not null,
	priority  smallint not null,
	attempt   smallint not null,
	hop       smallint not null,
	input_hop smallint not null,
	hold      smallint not null,
	taken_at  timestamptz not null default clock_timestamp(),
	n         int      not null check (n > 0),
	bytes     bigint   not null,
	jobs      int8multirange not null
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
alter table penstock.lease alter jobs set statistics 0;

-- Ended without success, kept for a person.
create table penstock.dead (
	id        bigint   not null default nextval('penstock.row_id') primary key,
	lane      int      not null,
	priority  smallint not null,
	attempt   smallint not null,
	hop       smallint not null,
	input_hop smallint not null,
	at        timestamptz not null default clock_timestamp(),
	n         int      not null check (n > 0),
	bytes     bigint   not null,
	jobs      int8multirange not null
);

do $$
declare
	t record;
begin
	for t in select c.oid::regclass as name, c.relkind from pg_class c
	         where c.relnamespace = 'penstock'::regnamespace and c.relkind in ('r', 'p', 'S') loop
		-- a sequence that belongs to a column follows its table
		if t.relkind <> 'S' or not exists (select from pg_depend where objid = t.name and deptype in ('a', 'i')) then
			execute format('alter %s %s owner to penstock_owner', case t.relkind when 'S' then 'sequence' else 'table' end, t.name);
		end if;
	end loop;
end $$;
