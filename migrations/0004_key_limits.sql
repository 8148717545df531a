-- SPDX-License-Identifier: BSD-2-Clause
-- 0004_key_limits: limits of a stage for each key of its jobs.
--
-- Locks lane and lease for an instant; takes milliseconds.

-- limit_key: the attribute whose value is a job's key in this stage. Both or neither.
alter table penstock.lane add column limit_key text, add column max_per_key int check (max_per_key > 0),
	add constraint key_and_limit check ((limit_key is null) = (max_per_key is null));

-- Of the jobs that have a key: which, and what it is. A job leaves its key with its lease, whatever ends that; no count is kept.
-- key_limit: max_per_key when it was claimed.
alter table penstock.lease add column key_jobs bigint[], add column job_keys text[], add column key_limit int;

-- Ready jobs whose key has as many running as may; in sets, each of one key. They become ready again as jobs of their key leave the stage.
create table penstock.parked (
	lane      int      not null,
	key       text     not null,
	priority  smallint not null,
	id        bigint   not null default nextval('penstock.row_id'),
	attempt   smallint not null,
	hop       smallint not null,
	input_hop smallint not null,
	hold      smallint not null,
	n         int      not null check (n > 0),
	bytes     bigint   not null,
	jobs      int8multirange not null,
	primary key (lane, key, priority, id)
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
alter table penstock.parked alter jobs set statistics 0;
alter table penstock.parked owner to penstock_owner;
