-- SPDX-License-Identifier: BSD-2-Clause
-- 0002_life: idempotency keys, cancel requests, pauses, totals of what retention dropped.
--
-- Locks lane for an instant; everything else is new.

-- NULL: not paused. Claims ask, so a pause holds on every host once it is committed.
alter table penstock.lane add column paused_at timestamptz;

-- A second enqueue with the same key answers the first one's job, until the key expires.
create table penstock.key (
	pipeline int         not null,
	key      text        not null,
	job      bigint      not null,
	expires  timestamptz not null,
	primary key (pipeline, key)
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index key_expires on penstock.key (expires);

-- A job that shall end; written before anything is looked for, since jobs move while one looks. Gone once its job has ended.
create table penstock.cancel_request (
	job bigint      primary key,
	at  timestamptz not null default clock_timestamp()
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);

-- What ended in blocks that are dropped since.
create table penstock.total (
	lane    int      not null,
	outcome smallint not null,
	n       bigint   not null,
	primary key (lane, outcome)
);

alter table penstock.key owner to penstock_owner;
alter table penstock.cancel_request owner to penstock_owner;
alter table penstock.total owner to penstock_owner;
