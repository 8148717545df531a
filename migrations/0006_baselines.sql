-- SPDX-License-Identifier: BSD-2-Clause
-- 0006_baselines: recordings of what stages cost, to compare others with.
--
-- Locks nothing that exists.

create table penstock.baseline (
	id            bigint      generated always as identity primary key,
	name          text        not null unique check (length(name) between 1 and 200),
	pipeline      text        not null,
	recorded_at   timestamptz not null default clock_timestamp(),
	seconds       float8      not null check (seconds > 0),
	machine       text        not null, -- its class: processor, cores, memory, system
	workers       int         not null,
	version       text        not null, -- of penstock
	server        text        not null, -- of PostgreSQL
	configuration text        not null, -- sha256 of the pipeline's and of what the host makes of it
	load          text        not null, -- what made the jobs; '': whatever came
	end_jobs      int[]       not null, -- sets of jobs that ended in that time, in order of time
	end_us        bigint[]    not null, -- from their creation to their end, added up
	check (cardinality(end_jobs) = cardinality(end_us))
);

-- One for each stage and release. Sums are those of the time of the recording; the arrays hold single calls, in order of time.
create table penstock.baseline_stage (
	baseline       bigint   not null references penstock.baseline on delete cascade,
	position       int      not null,
	stage          text     not null,
	release        text     not null,
	calls          bigint   not null,
	jobs           bigint   not null,
	errors         bigint   not null,
	wall_ns        bigint   not null,
	cpu_ns         bigint   not null,
	db_ns          bigint   not null,
	allocated      bigint   not null,
	histogram      bigint[] not null, -- of a job's time: 8 buckets an octave, from 64 ns
	lost           bigint   not null, -- calls that are not among the single ones
	call_jobs      int[]    not null,
	call_errors    int[]    not null,
	call_wall      bigint[] not null,
	call_cpu       bigint[] not null,
	call_db        bigint[] not null,
	call_allocated bigint[] not null,
	primary key (baseline, position)
);

alter table penstock.baseline owner to penstock_owner;
alter table penstock.baseline_stage owner to penstock_owner;
