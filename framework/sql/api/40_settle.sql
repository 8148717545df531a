-- SPDX-License-Identifier: BSD-2-Clause
-- Settle: ends a lease, or a part of it, whole or not at all.
--
-- Raises PS001 when the token does not hold these jobs (reaped, voided or settled before): a COMMIT that is already in the
-- pipeline then becomes a ROLLBACK, and with it goes what a transactional stage wrote. That is the fencing.
-- One element of the p_ arrays for each set: kind 0 ready, 1 deferred, 2 completed, 3 discarded, 4 cancelled, 5 dead; 6 to 9 wait for
-- their children (c_): 6 and 7 go on to p_lane then, 8 and 9 are completed; 6 and 8 fail when a child failed. 10 to 13 are these for jobs
-- that have branches: children without attributes, which are given the job's message, and whose own is joined to it in the end.
-- Answers how many jobs the lease still holds.
create or replace function penstock.settle(
	p_token uuid,
	p_kind smallint[], p_lane int[], p_delay_ms bigint[], p_hop smallint[], p_input_hop smallint[], p_attempt smallint[],
	p_hold smallint[], p_bytes bigint[], p_jobs int8multirange[],
	o_job bigint[], o_hop smallint[], o_attributes json[], o_body bytea[],
	f_job bigint[], f_lane int[], f_attempt smallint[], f_code text[], f_message text[], f_release text[],
	c_parent bigint[] default '{}', c_lane int[] default '{}', c_attributes json[] default '{}', c_body bytea[] default '{}') returns int
language plpgsql set search_path = pg_catalog, pg_temp set jit = off as $$
declare
	v_bits constant int := penstock.block_bits();
	v_lease penstock.lease;
	v_all int8multirange;
	v_sum bigint;
	v_n bigint;
	v_left int := 0;
	v_lane int;
	v_cancel int8multirange;
begin
	select range_agg(r), sum(upper(r) - lower(r)) into v_all, v_sum from unnest(p_jobs) m, unnest(m) r;
	v_n := penstock.cardinality(v_all);
	if v_all is null or v_sum is distinct from v_n then
		raise exception 'settle: empty or overlapping sets' using errcode = 'PS002';
	end if;
	-- below each kind picks its own sets: one that none picks would leave the lease and be nowhere
	if exists (select from unnest(p_kind, p_jobs) as u(kind, jobs)
	           where u.kind is null or u.kind not between 0 and 13 or u.jobs is null or isempty(u.jobs)) then
		raise exception 'settle: a set without jobs, or of an unknown kind' using errcode = 'PS002';
	end if;
	delete from penstock.lease l where l.token = p_token and l.jobs = v_all returning * into v_lease;
	if not found then
		update penstock.lease l set jobs = l.jobs - v_all, n = l.n - v_n, bytes = l.bytes * (l.n - v_n) / l.n
		where l.token = p_token and l.jobs @> v_all and l.jobs <> v_all returning * into v_lease;
		if found then
			v_left := v_lease.n;
		else
			-- another part may have been settled while the update waited, and just ours is left
			delete from penstock.lease l where l.token = p_token and l.jobs = v_all returning * into v_lease;
			if not found then
				raise exception 'settle: lease % does not hold these jobs: reaped, voided or settled before', p_token
					using errcode = 'PS001';
			end if;
		end if;
	end if;

	if cardinality(o_job) > 0 then
		if exists (select from unnest(o_job) x where v_all @> x is not true) then
			raise exception 'settle: output of a job outside the sets' using errcode = 'PS002';
		end if;
		insert into penstock.output (job, hop, attributes, body)
		select u.job, u.hop, u.attributes, u.body from unnest(o_job, o_hop, o_attributes, o_body) as u(job, hop, attributes, body);
	end if;
	if cardinality(f_job) > 0 then
		if exists (select from unnest(f_job) x where v_all @> x is not true) then
			raise exception 'settle: failure of a job outside the sets' using errcode = 'PS002';
		end if;
		insert into penstock.failure (job, lane, attempt, code, message, release)
		select u.job, u.lane, u.attempt, u.code, u.message, u.release
		from unnest(f_job, f_lane, f_attempt, f_code, f_message, f_release) as u(job, lane, attempt, code, message, release);
	end if;

	select range_agg(int8range(c.job, c.job + 1)) into v_cancel from penstock.cancel_request c where v_all @> c.job;
	if v_cancel is not null then -- rare. What has not ended by itself ends here
		for i in 1 .. cardinality(p_kind) loop
			if (p_kind[i] in (0, 1) or p_kind[i] >= 5) and p_jobs[i] && v_cancel then
				p_kind := p_kind || 4::smallint;
				p_lane := p_lane || p_lane[i];
				p_jobs := p_jobs || (p_jobs[i] * v_cancel);
				p_jobs[i] := p_jobs[i] - v_cancel;
			end if;
		end loop;
		delete from penstock.cancel_request c where v_cancel @> c.job;
	end if;

	if 0 = any (p_kind) then
		insert into penstock.parcel (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs)
		select u.lane, v_lease.priority, u.attempt, u.hop, u.input_hop, u.hold, penstock.cardinality(u.jobs), u.bytes, u.jobs
		from unnest(p_kind, p_lane, p_hop, p_input_hop, p_attempt, p_hold, p_bytes, p_jobs)
		     as u(kind, lane, hop, input_hop, attempt, hold, bytes, jobs)
		where u.kind = 0 and not isempty(u.jobs);
		for v_lane in select distinct u.lane from unnest(p_kind, p_lane) as u(kind, lane) where u.kind = 0 loop
			perform penstock.ring(v_lane, v_lease.host);
		end loop;
	end if;
	if 1 = any (p_kind) then
		insert into penstock.deferred (lane, priority, attempt, hop, input_hop, hold, n, bytes, jobs, run_at)
		select u.lane, v_lease.priority, u.attempt, u.hop, u.input_hop, u.hold, penstock.cardinality(u.jobs), u.bytes, u.jobs,
		       clock_timestamp() + u.delay_ms * interval '1 ms'
		from unnest(p_kind, p_lane, p_delay_ms, p_hop, p_input_hop, p_attempt, p_hold, p_bytes, p_jobs)
		     as u(kind, lane, delay_ms, hop, input_hop, attempt, hold, bytes, jobs)
		where u.kind = 1 and not isempty(u.jobs);
	end if;
	if p_kind && '{2,3,4}' then
		insert into penstock.settled (block, lane, outcome, n, jobs)
		select c.block, u.lane, u.kind, penstock.cardinality(c.jobs), c.jobs
		from unnest(p_kind, p_lane, p_jobs) as u(kind, lane, jobs)
		-- nearly always one block, which needs no function
		cross join lateral (select (lower(u.jobs) >> v_bits)::int as block, u.jobs where lower(u.jobs) >> v_bits = (upper(u.jobs) - 1) >> v_bits
		                    union all
		                    select b.block, b.jobs from penstock.cut_at_blocks(u.jobs) b where lower(u.jobs) >> v_bits <> (upper(u.jobs) - 1) >> v_bits) c
		where u.kind in (2, 3, 4);
	end if;
	if 5 = any (p_kind) then
		insert into penstock.dead (lane, priority, attempt, hop, input_hop, n, bytes, jobs)
		select u.lane, v_lease.priority, u.attempt, u.hop, u.input_hop, penstock.cardinality(u.jobs), u.bytes, u.jobs
		from unnest(p_kind, p_lane, p_hop, p_input_hop, p_attempt, p_bytes, p_jobs) as u(kind, lane, hop, input_hop, attempt, bytes, jobs)
		where u.kind = 5 and not isempty(u.jobs);
	end if;
	if cardinality(c_parent) > 0 or p_kind && '{6,7,8,9,10,11,12,13}' then
		perform penstock.put_children(v_lease, v_all - coalesce(v_cancel, '{}'), p_kind, p_lane, p_hop, p_input_hop, p_bytes, p_jobs,
		                              c_parent, c_lane, c_attributes, c_body);
	end if;
	if p_kind && '{2,3,4,5}' then
		perform penstock.jobs_ended(
			(select range_agg(r) from unnest(p_kind, p_jobs) as u(kind, jobs), unnest(u.jobs) r where u.kind in (2, 3)),
			(select range_agg(r) from unnest(p_kind, p_jobs) as u(kind, jobs), unnest(u.jobs) r where u.kind in (4, 5)),
			case when 5 = any (p_kind) then
				(select range_agg(r) from unnest(p_kind, p_jobs) as u(kind, jobs), unnest(u.jobs) r where u.kind = 5) end);
	end if;
	if v_lease.job_keys is not null or v_lease.key_most > 0 then
		perform penstock.keys_left(v_lease, v_all);
	end if;
	return v_left;
end $$;
