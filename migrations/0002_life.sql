-- SPDX-License-Identifier: BSD-2-Clause
-- 0002_life: idempotency keys, cancel requests, pauses, limits, back-pressure, children, ordering keys, schedules, totals of what retention dropped.
--
-- Locks lane and job for an instant, and job against writers while it looks for parents, of which there are none: a second for
-- ten million jobs.

-- NULL: not paused. Claims ask, so a pause holds on every host once it is committed.
alter table penstock.lane add column paused_at timestamptz;

-- Limits of a stage over all hosts, as the configuration of the last host that registered says. NULL: none; rate in jobs a second.
alter table penstock.lane add column max_running int check (max_running > 0), add column rate float8 check (rate > 0),
	add column burst int check (burst > 0);

-- Back-pressure: a lane with max_ready jobs is full; enqueue then warns or refuses, and the stages before it are held.
alter table penstock.lane add column max_ready int check (max_ready > 0), add column refuses boolean not null default false,
	add column full_since timestamptz, add column held_since timestamptz;

-- The token bucket of a lane with a rate. A table of its own, so that the lane's row, which all read, is not written.
create table penstock.bucket (
	lane   int         primary key,
	tokens float8      not null,
	at     timestamptz not null
) with (fillfactor = 50, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

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

-- The job that split this one off; kept for people.
alter table penstock.job add column parent bigint;
create index job_parent on penstock.job (parent) where parent is not null;

-- A child whose end its parent still waits for.
create table penstock.child (
	job    bigint primary key,
	parent bigint not null
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index child_parent on penstock.child (parent);

-- A job that waits until its children ended, then goes on into its lane, or ends there when it is the last.
create table penstock.waiting (
	job       bigint      primary key,
	lane      int         not null,
	priority  smallint    not null,
	hop       smallint    not null,
	input_hop smallint    not null,
	bytes     bigint      not null,
	since     timestamptz not null default clock_timestamp(),
	pending   int         not null check (pending >= 0),
	children  int         not null check (children > 0),
	failed    int         not null default 0, -- dead or cancelled ones
	any_end   boolean     not null, -- goes on however they ended
	last      boolean     not null
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Jobs with an ordering key that are not yet due by it, in the order of id.
create table penstock.ordered (
	id       bigint   not null default nextval('penstock.row_id'),
	pipeline int      not null,
	key      text     not null,
	job      bigint   not null unique,
	lane     int      not null,
	priority smallint not null,
	bytes    bigint   not null,
	primary key (pipeline, key, id)
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Whose turn it is: one job for each key, from the moment when it is made ready until it ended.
create table penstock.turn (
	pipeline int    not null,
	key      text   not null,
	job      bigint not null unique,
	primary key (pipeline, key)
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- A job at each time that a cron expression names. next_at: infinity when there is none.
create table penstock.schedule (
	name       text        primary key,
	pipeline   int         not null references penstock.pipeline,
	cron       text        not null,
	time_zone  text        not null,
	attributes json        not null,
	priority   smallint    not null,
	catch_up   text        not null check (catch_up in ('skip', 'one', 'all')),
	next_at    timestamptz not null,
	last_at    timestamptz
);

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
alter table penstock.schedule owner to penstock_owner;
alter table penstock.ordered owner to penstock_owner;
alter table penstock.turn owner to penstock_owner;
alter table penstock.bucket owner to penstock_owner;
alter table penstock.child owner to penstock_owner;
alter table penstock.waiting owner to penstock_owner;
