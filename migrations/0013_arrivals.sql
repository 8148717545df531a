-- SPDX-License-Identifier: BSD-2-Clause
-- serves: 0012
-- 0013_arrivals: jobs with ordering keys arrive in sets; one whose key nobody else has is a row in turn, and none in ordered.
--
-- Locks ordered, turn and missed while it sorts them anew: a second for a hundred thousand jobs that wait.

-- Jobs with an ordering key that nobody looked at yet; keys in the order of the jobs' ids.
create table penstock.arrival (
	id        bigint   primary key default nextval('penstock.row_id'),
	pipeline  int      not null,
	lane      int      not null,
	priority  smallint not null,
	hop       smallint not null default 0,
	input_hop smallint not null default 0,
	n         int      not null check (n > 0),
	bytes     bigint   not null,
	jobs      int8multirange not null,
	keys      text[]   not null check (cardinality(keys) = n)
) with (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
alter table penstock.arrival alter jobs set statistics 0, alter keys set statistics 0;
alter table penstock.arrival owner to penstock_owner;

lock table penstock.ordered, penstock.turn, penstock.missed;

-- Compared by every look and every end, in no language's order.
alter table penstock.ordered alter column key type text collate "C";
alter table penstock.turn alter column key type text collate "C";

-- The place among those of a key is the job's id, which is drawn in the order of enqueueing.
update penstock.ordered set id = job;
update penstock.turn set place = job;
update penstock.missed set place = job;

-- From now on who waits in ordered waits for somebody.
with first as (
	delete from penstock.ordered o
	where not exists (select from penstock.turn t where t.pipeline = o.pipeline and t.key = o.key) returning o.*
), part as (
	select f.*, (row_number() over (partition by f.pipeline, f.lane, f.priority, f.hop, f.input_hop order by f.job) - 1) / 1000 as part from first f
)
insert into penstock.arrival (pipeline, lane, priority, hop, input_hop, n, bytes, jobs, keys)
select p.pipeline, p.lane, p.priority, p.hop, p.input_hop, count(*), sum(p.bytes), range_agg(int8range(p.job, p.job + 1)), array_agg(p.key order by p.job)
from part p group by p.pipeline, p.lane, p.priority, p.hop, p.input_hop, p.part order by min(p.job);

-- What applications call until the public functions are made anew writes what these read.
do $$
begin
	if to_regprocedure('penstock.put_ordered(int, int, smallint, bigint[], text[], bigint[])') is not null then
		create or replace function penstock.put_ordered(p_pipeline int, p_lane int, p_priority smallint, p_ids bigint[], p_keys text[],
		                                                p_bytes bigint[]) returns void
		language plpgsql set search_path = pg_catalog, pg_temp as $put$
		begin
			insert into penstock.arrival (pipeline, lane, priority, n, bytes, jobs, keys)
			select p_pipeline, p_lane, p_priority, count(*), sum(u.bytes), range_agg(int8range(u.id, u.id + 1)), array_agg(u.key order by u.id)
			from unnest(p_ids, p_keys, p_bytes) as u(id, key, bytes);
		end $put$;
	end if;
end $$;
