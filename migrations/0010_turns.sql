-- SPDX-License-Identifier: BSD-2-Clause
-- 0010_turns: a dead letter keeps its ordering key, for its replay.
--
-- Locks ordered and turn for an instant.

-- Where a job stands in its pipeline while it waits for its turn: further on only when it is replayed.
alter table penstock.ordered add column hop smallint not null default 0, add column input_hop smallint not null default 0;

-- ordered.id of the job that has the turn. Null: it was given before this migration.
alter table penstock.turn add column place bigint;

-- Dead letters that had a turn: the key to whose others they come back, and where they stood among them.
create table penstock.missed (
	job      bigint primary key,
	pipeline int    not null,
	key      text   not null,
	place    bigint
);
alter table penstock.missed owner to penstock_owner;
