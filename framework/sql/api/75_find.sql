-- SPDX-License-Identifier: BSD-2-Clause
-- Which jobs a person means: filters of the command line and the dashboard. A null filter lets all pass. Attributes are those that the
-- job was enqueued with; who filters by them must be able to read messages.

create or replace function penstock.has_attribute(p_job bigint, p_name text, p_value text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
	return p_name is null or exists (select from penstock.job j where j.id = p_job and j.attributes ->> p_name = p_value);
end $$;

create or replace function penstock.find_jobs(p_pipeline text, p_stage text, p_state text, p_name text, p_value text)
returns table (id bigint, pipeline text, stage text, state text, attempt smallint, since timestamptz, run_at timestamptz)
language sql stable set search_path = pg_catalog, pg_temp as $$
	select j.id, j.pipeline, j.stage, j.state, j.attempt, j.since, j.run_at from penstock.jobs j
	where (p_pipeline is null or j.pipeline = p_pipeline) and (p_stage is null or j.stage = p_stage)
	  and (p_state is null or j.state = p_state) and penstock.has_attribute(j.id, p_name, p_value)
$$;

-- Dead letters with the reason of their last failure.
create or replace function penstock.find_dead(p_pipeline text, p_stage text, p_code text, p_since timestamptz, p_until timestamptz,
                                              p_name text, p_value text)
returns table (id bigint, pipeline text, stage text, at timestamptz, attempts smallint, code text, message text)
language sql stable set search_path = pg_catalog, pg_temp as $$
	select g.id, p.name, l.stage, d.at, d.attempt, f.code, f.message
	from penstock.dead d
	join penstock.lane l on l.id = d.lane
	join penstock.pipeline p on p.id = l.pipeline
	cross join unnest(d.jobs) r cross join generate_series(lower(r), upper(r) - 1) as g(id)
	left join lateral (select f.code, f.message from penstock.failure f where f.job = g.id order by f.id desc limit 1) f on true
	where (p_pipeline is null or p.name = p_pipeline) and (p_stage is null or l.stage = p_stage) and (p_code is null or f.code = p_code)
	  and (p_since is null or d.at >= p_since) and (p_until is null or d.at < p_until) and penstock.has_attribute(g.id, p_name, p_value)
$$;
