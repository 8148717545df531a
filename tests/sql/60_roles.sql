-- SPDX-License-Identifier: BSD-2-Clause
-- Who may do what, and nothing more.
select test.world();
grant usage on schema test to public;
grant execute on all functions in schema test to public;

set role penstock_enqueue;
select penstock.enqueue('p', '{"secret": 1}') as id \gset
select penstock.enqueue_many('p', array['{}']::json[]);
select test.is('may ask for its job', 'ready', (select state from penstock.job_state(:id)));
select test.refused('may not read messages', 'select * from penstock.job', '42501');
select test.refused('may not claim', $$ select penstock.claim_take(test.token(1), 1, 1, 1, 1, 1, '{0}', '{0}') $$, '42501');
select test.refused('may not settle', $$ select penstock.void_lease(test.token(1)) $$, '42501');
select test.refused('may not write', 'delete from penstock.parcel', '42501');
select test.refused('may not read lanes', 'select * from penstock.lanes', '42501');
reset role;

set role penstock_read;
select test.is('may see lanes', 3, (select count(*) from penstock.lanes));
select test.is('may see jobs', 2, (select count(*) from penstock.jobs));
select test.is('may verify', 0, (select sum(violations) from penstock.verify())::bigint);
select test.refused('may not read messages', 'select attributes from penstock.job', '42501');
select test.refused('nor outputs', 'select attributes from penstock.output', '42501');
select test.refused('may not enqueue', $$ select penstock.enqueue('p') $$, '42501');
reset role;

set role penstock_read_payload;
select test.is('may read messages', 2, (select count(*) from penstock.job));
select test.refused('may not write', 'delete from penstock.job', '42501');
reset role;

set role penstock_host;
select test.is('may work', 2, (select n from test.claim(1, 10)));
select test.is('may settle', 0, test.settle(1, 2, test.held(1)));
select penstock.make_blocks();
select test.refused('may not change the schema', 'create table penstock.mine ()', '42501');
select test.refused('may not drop', 'drop table penstock.job', '42501');
reset role;

-- objects of the caller's do not change what the functions do
create schema hostile;
grant usage on schema hostile to public;
create function hostile.nextval(text) returns bigint language sql as 'select -1::bigint';
create function hostile.isfinite(timestamptz) returns boolean language plpgsql as $$ begin raise exception 'hostile'; end $$;
create function hostile.octet_length(text) returns int language plpgsql as $$ begin raise exception 'hostile'; end $$;
create function hostile.now() returns timestamptz language plpgsql as $$ begin raise exception 'hostile'; end $$;
create table hostile.job (id bigint);
set search_path = hostile, pg_catalog;
set role penstock_enqueue;
select test.is('the id is of the sequence', true::text, (select (penstock.enqueue('p') > 0)::text));
reset role;
reset search_path;

-- every function that runs as its owner has its search path pinned, and nobody else may call it
select test.is('security definer without a search path', '', (select coalesce(string_agg(proname, ' '), '') from pg_proc
	where pronamespace = 'penstock'::regnamespace and prosecdef and not coalesce(proconfig::text like '%search_path=pg_catalog, pg_temp%', false)));
-- the others, too, but for what only such functions call
select test.is('without a search path', 'check_arguments check_message put_set', (select coalesce(string_agg(proname, ' ' order by proname), '') from pg_proc p
	join pg_language l on l.oid = p.prolang where pronamespace = 'penstock'::regnamespace and lanname = 'plpgsql'
	and not coalesce(proconfig::text like '%search_path=pg_catalog, pg_temp%', false)));
select test.is('callable by everybody', '', (select coalesce(string_agg(proname, ' '), '') from pg_proc p
	where pronamespace = 'penstock'::regnamespace and (proacl is null or exists (select from aclexplode(proacl) a where a.grantee = 0))));
select test.is('owned by another', '', (select coalesce(string_agg(proname, ' '), '') from pg_proc p join pg_roles r on r.oid = p.proowner
	where pronamespace = 'penstock'::regnamespace and rolname <> 'penstock_owner'));
select test.clean();
