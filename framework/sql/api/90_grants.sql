-- SPDX-License-Identifier: BSD-2-Clause
-- Who may do what. Applications only call functions that run as the owner; hosts work on the tables.

do $$
declare
	f record;
begin
	-- not those of an older API: touched here they would look as if this transaction had made them, and stay
	for f in select p.oid::regprocedure as name, p.prokind from pg_proc p
	         where p.pronamespace = 'penstock'::regnamespace and p.xmin = pg_current_xact_id()::xid loop
		execute format('revoke all on function %s from public', f.name);
		execute format('grant execute on function %s to penstock_host, penstock_admin', f.name);
		execute format('alter %s %s owner to penstock_owner', case f.prokind when 'a' then 'aggregate' else 'function' end, f.name);
	end loop;
end $$;

grant execute on function penstock.enqueue(text, json, bytea, int, timestamptz, text, text, interval, text) to penstock_enqueue;
grant execute on function penstock.enqueue_many(text, json[], bytea[], int, timestamptz, text[], interval, text[]) to penstock_enqueue;
grant execute on function penstock.cancel(bigint[]) to penstock_enqueue;
-- penstock enqueue asks where the jobs go before it chooses its road; the hint of PS003 says no less
grant execute on function penstock.find_pipeline(text) to penstock_enqueue;
grant execute on function penstock.job_state(bigint) to penstock_enqueue, penstock_read, penstock_read_payload;
grant execute on function penstock.has_attribute(bigint, text, text), penstock.find_jobs(text, text, text, text, text),
	penstock.find_dead(text, text, text, timestamptz, timestamptz, text, text) to penstock_read, penstock_read_payload;
grant execute on function penstock.body_of(bigint, smallint) to penstock_read_payload;
-- for the views
grant execute on function penstock.ready_about(int, int, int) to penstock_read, penstock_read_payload;
grant execute on function penstock.verify(), penstock.ended_since(bigint), penstock.at_rest() to penstock_read, penstock_read_payload;

alter view penstock.lanes owner to penstock_owner;
alter view penstock.hosts owner to penstock_owner;
alter view penstock.schedules owner to penstock_owner;
alter view penstock.jobs owner to penstock_owner;
grant select on penstock.lanes, penstock.depths, penstock.hosts, penstock.schedules, penstock.jobs to penstock_read, penstock_read_payload, penstock_host, penstock_admin;

grant select, insert, update, delete on all tables in schema penstock to penstock_host, penstock_admin;
grant usage, select, update on all sequences in schema penstock to penstock_host, penstock_admin;
grant select on penstock.pipeline, penstock.lane, penstock.dead, penstock.failure, penstock.migration to penstock_read, penstock_read_payload;
grant select on penstock.baseline, penstock.baseline_stage to penstock_read, penstock_read_payload;
grant select on penstock.job, penstock.output to penstock_read_payload;
