-- SPDX-License-Identifier: BSD-2-Clause
-- What the tests share: schema test, in every database that they get.

create schema test;

create function test.is(what text, expected text, actual text) returns void
language plpgsql as $$
begin
	if expected is distinct from actual then
		raise exception '%: expected %, found %', what, coalesce(expected, 'null'), coalesce(actual, 'null');
	end if;
end $$;
create function test.is(what text, expected bigint, actual bigint) returns void
language sql as 'select test.is(what, expected::text, actual::text)';

-- The statement is refused with this SQLSTATE, and with words that say why.
create function test.refused(what text, statement text, state text, words text default '') returns void
language plpgsql as $$
begin
	begin
		execute statement;
	exception when others then
		if sqlstate <> state or position(words in sqlerrm) = 0 then
			raise exception '%: expected % %, found % %', what, state, words, sqlstate, sqlerrm;
		end if;
		return;
	end;
	raise exception '%: it was not refused', what;
end $$;

create function test.token(t int) returns uuid
language sql immutable as $$ select ('00000000-0000-0000-0000-' || lpad(t::text, 12, '0'))::uuid $$;

-- Two pipelines and a host: lanes 1 and 2 of `p`, lane 3 of `q`.
create function test.world() returns void
language plpgsql as $$
begin
	perform test.is('lanes of p', '{1,2}', penstock.register_pipeline('p', array['a', 'b'], array[3, 3]::smallint[])::text);
	perform test.is('lanes of q', '{3}', penstock.register_pipeline('q', array['only'], array[2]::smallint[])::text);
	perform test.is('host', 1, penstock.host_register(gen_random_uuid(), 'one', 'machine', 1, '0', 0));
end $$;

-- n jobs enqueued together: one parcel for each thousand.
create function test.put(pipe text, n int, prio int default 0) returns bigint[]
language sql as $$ select penstock.enqueue_many(pipe, array_fill('{}'::json, array[n]), priority => prio) $$;

-- A claim with what a scan of the lane says, as a host makes it.
create function test.claim(t int, want int, p_lane int default 1, bytes bigint default 1000000000, most int default 100, host bigint default 1)
returns setof penstock.lease
language plpgsql as $$
begin
	perform penstock.claim_take(test.token(t), host, p_lane, want, bytes, most,
		(select coalesce(array_agg(s.priority), '{}') from penstock.lane_scan(array[p_lane]) s),
		(select coalesce(array_agg(s.id), '{}') from penstock.lane_scan(array[p_lane]) s));
	return query select l.* from penstock.lease l where l.token = test.token(t);
end $$;

-- The same by a host that counts keys, and promises to begin at most `room` jobs of one: how many it took, and how many of a key it may begin.
create function test.counted(t int, want int, p_lane int, room int, host bigint default 1, most int default 100) returns text
language plpgsql as $$
declare
	v_claim record;
begin
	select c.* into v_claim from penstock.lane_scan(array[p_lane]) s
	cross join lateral penstock.claim_keyed_lane(test.token(t), host, p_lane, want, 1000000000, most, array[s.priority], array[s.id], room) c;
	return coalesce(v_claim.n || ' ' || coalesce(v_claim.key_room::text, 'any'), '');
end $$;

create function test.held(t int) returns int8multirange
language sql as $$ select jobs from penstock.lease where token = test.token(t) $$;

-- One set.
create function test.settle(t int, kind int, jobs int8multirange, p_lane int default 1, delay_ms bigint default 0, hop int default 0,
                            attempt int default 0, hold int default 0)
returns int
language sql as $$
	select penstock.settle(test.token(t), array[kind]::smallint[], array[p_lane], array[delay_ms], array[hop]::smallint[], array[0]::smallint[],
		array[attempt]::smallint[], array[hold]::smallint[], array[0]::bigint[], array[jobs],
		'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')
$$;

-- A whole lease of single jobs that split: each gets n children in p_lane, and waits as the kind says.
create function test.split(t int, kind int, n int, p_lane int default 2) returns int
language sql as $$
	select penstock.settle(test.token(t), array[kind]::smallint[], array[p_lane], array[0]::bigint[], array[1]::smallint[], array[0]::smallint[],
		array[0]::smallint[], array[0]::smallint[], array[0]::bigint[], array[test.held(t)],
		'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
		c.parent, c.lane, c.attributes, c.body)
	from (select array_agg(g.id) as parent, array_agg(p_lane) as lane, array_agg(json_build_object('of', g.id)) as attributes, array_agg(null::bytea) as body
	      from unnest(test.held(t)) r, generate_series(lower(r), upper(r) - 1) as g(id), generate_series(1, n)) c
$$;

-- A whole lease of single jobs that goes to several lanes at once, and on to another then; what its stage made of the messages, if anything.
create function test.fork(t int, kind int, made json default null, made_body bytea default null, p_hop int default 1, p_input int default 0,
                          p_to int[] default '{5,6}', p_then int default 7) returns int
language sql as $$
	select penstock.settle(test.token(t), array[kind]::smallint[], array[p_then], array[0]::bigint[], array[p_hop]::smallint[],
		array[case when made is null then p_input else p_hop end]::smallint[], array[0]::smallint[], array[0]::smallint[], array[10]::bigint[],
		array[test.held(t)],
		case when made is null then '{}' else (select array_agg(g.id) from unnest(test.held(t)) r, generate_series(lower(r), upper(r) - 1) as g(id)) end,
		case when made is null then '{}' else array[p_hop]::smallint[] end, case when made is null then '{}' else array[made] end,
		case when made is null then '{}' else array[made_body] end,
		'{}', '{}', '{}', '{}', '{}', '{}', c.parent, c.lane, c.attributes, c.body)
	from (select array_agg(g.id order by g.id, l.o) as parent, array_agg(l.lane order by g.id, l.o) as lane,
	             array_agg(null::json) as attributes, array_agg(null::bytea) as body
	      from unnest(test.held(t)) r, generate_series(lower(r), upper(r) - 1) as g(id), unnest(p_to) with ordinality as l(lane, o)) c
$$;

-- One job of a lease ends in a lane; what was made of its message.
create function test.make(t int, p_lane int, p_job bigint, kind int default 2, made json default null, p_hop int default 1) returns int
language plpgsql as $$
begin
	insert into penstock.failure (job, lane, attempt, code, message, release) select p_job, p_lane, 1, 'X', '', '' where kind = 5;
	return penstock.settle(test.token(t), array[kind]::smallint[], array[p_lane], array[0]::bigint[], array[p_hop]::smallint[],
		array[case when made is null then 0 else p_hop end]::smallint[], array[1]::smallint[], array[0]::smallint[], array[0]::bigint[],
		array[penstock.as_set(array[p_job])], case when made is null then '{}' else array[p_job] end,
		case when made is null then '{}' else array[p_hop]::smallint[] end, case when made is null then '{}' else array[made] end,
		case when made is null then '{}' else array[null::bytea] end, '{}', '{}', '{}', '{}', '{}', '{}');
end $$;
create function test.end_one(t int, p_lane int, p_job bigint, kind int default 2, made json default null, p_hop int default 1) returns void
language plpgsql as $$
begin
	perform test.claim(t, 10000, p_lane, most => 1000);
	perform test.make(t, p_lane, p_job, kind, made, p_hop);
	perform penstock.void_lease(test.token(t));
end $$;

create function test.state(id bigint) returns text
language sql as $$ select state from penstock.job_state(id) $$;

-- Every invariant holds, or the first that does not is named.
create function test.clean() returns void
language plpgsql as $$
declare
	v record;
begin
	select * into v from penstock.verify() where violations <> 0 limit 1;
	if found then
		raise exception 'verify: % (%: %)', v.invariant, v.violations, v.detail;
	end if;
end $$;

-- This invariant, and maybe others, is broken.
create function test.broken(what text) returns void
language plpgsql as $$
begin
	if not exists (select from penstock.verify() v where v.invariant = what) then
		raise exception 'there is no invariant "%"', what;
	end if;
	if not exists (select from penstock.verify() v where v.invariant = what and v.violations > 0) then
		raise exception 'verify does not see that it is broken: %', what;
	end if;
end $$;

-- ---- for the specs: one database, made anew before each order of steps, so that ids are the same in all

create function test.spec() returns void
language plpgsql as $$
declare
	t text;
begin
	for t in select c.oid::regclass from pg_class c
	         where c.relnamespace = 'penstock'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'migration'
	         order by exists (select from pg_constraint f where f.confrelid = c.oid) loop -- what others refer to last
		execute format('delete from %s', t);
	end loop;
	for t in select c.oid::regclass from pg_class c where c.relnamespace = 'penstock'::regnamespace and c.relkind = 'S' loop
		perform setval(t::regclass, 1, false);
	end loop;
	perform test.world();
	perform penstock.host_register(gen_random_uuid(), 'two', 'machine', 2, '0', 0);
end $$;

-- Where every job is in the end, in how many sets, and what `verify` has against it.
create function test.census() returns table (place text, lane int, sets bigint, jobs text)
language sql as $$
	select c.place, c.lane, count(*), (select range_agg(r) from unnest(array_agg(c.jobs)) m, unnest(m) r)::text
	from (select 'ready' as place, p.lane, p.jobs from penstock.parcel p
	      union all select 'deferred', d.lane, d.jobs from penstock.deferred d
	      union all select 'running', l.lane, l.jobs from penstock.lease l
	      union all select 'waiting', w.lane, penstock.as_set(array[w.job]) from penstock.waiting w
	      union all select 'dead', d.lane, d.jobs from penstock.dead d
	      union all select case s.outcome when 2 then 'completed' when 3 then 'discarded' else 'cancelled' end, s.lane, s.jobs
	                from penstock.settled s
	      union all select 'to be cancelled', null, penstock.as_set(array[c.job]) from penstock.cancel_request c) c
	group by c.place, c.lane
	union all select 'BROKEN: ' || v.invariant, null, v.violations, v.detail from penstock.verify() v where v.violations <> 0
	order by 1, 2
$$;

create function test.jobs(first bigint, behind bigint) returns int8multirange
language sql immutable as 'select int8multirange(int8range(first, behind))';
