-- SPDX-License-Identifier: BSD-2-Clause
-- What somebody who may create objects in public can lay in the way: a function and an operator for each polymorphic
-- one of PostgreSQL, with the exact types that penstock uses. An exact match wins over a polymorphic one, although
-- pg_catalog is searched first. Each of them tells who stepped on it.
set search_path = pg_catalog;
create table public.stepped_on (what text, who text);
grant all on public.stepped_on to public;
grant create, usage on schema public to public;

do $$
declare
	c_any constant text[] := '{any,anyelement,anyarray,anynonarray,anyrange,anymultirange,anycompatible,anycompatiblearray,anycompatiblenonarray,anycompatiblerange,anycompatiblemultirange}';
	v_element text;
	f record;
	v_args text[];
	v_trap text := 'begin raise exception ''hostile: % for %'', %L, current_user; end';
begin
	foreach v_element in array array['int8', 'int4', 'int2', 'text', 'name', 'json', 'bytea', 'oid', 'timestamptz', 'interval', 'int8multirange', 'int8range'] loop
		for f in select p.oid, p.proname, p.pronargs, p.proargtypes::oid[] as types, p.provariadic, p.proretset
		         from pg_proc p
		         where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind in ('f', 'a') and p.pronargs between 1 and 3
		           and exists (select from unnest(p.proargtypes::oid[]) t where t::regtype::text = any (c_any || '{"\"any\""}'::text[])) loop
			v_args := array(select case when t::regtype::text in ('anyrange', 'anycompatiblerange') then 'int8range'
			                            when t::regtype::text in ('anymultirange', 'anycompatiblemultirange') then 'int8multirange'
			                            when t::regtype::text in ('anyarray', 'anycompatiblearray') then v_element || '[]'
			                            when t::regtype::text = any (c_any) or t::regtype::text = '"any"' then v_element
			                            else t::regtype::text end
			                from unnest(f.types) with ordinality as u(t, o) order by o);
			begin
				execute format('create function public.%I(%s) returns %s language plpgsql as %L', f.proname, array_to_string(v_args, ', '),
				               case when f.proretset then 'setof int8' else 'int8' end,
				               format('begin raise exception ''hostile function %%'', %L; end', f.proname));
			exception when others then null; -- the same once more, or arguments that no function may have
			end;
		end loop;
	end loop;

	for f in select o.oprname, o.oprleft::regtype::text as l, o.oprright::regtype::text as r, o.oprresult::regtype::text as result
	         from pg_operator o
	         where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprleft <> 0
	           and (o.oprleft::regtype::text = any (c_any) or o.oprright::regtype::text = any (c_any)) loop
		foreach v_element in array array['int8', 'int4', 'int2', 'text'] loop
			begin
				v_args := array(select case when t in ('anyrange', 'anycompatiblerange') then 'int8range'
				                            when t in ('anymultirange', 'anycompatiblemultirange') then 'int8multirange'
				                            when t in ('anyarray', 'anycompatiblearray') then v_element || '[]'
				                            when t = any (c_any) then v_element
				                            else t end
				                from unnest(array[f.l, f.r]) with ordinality as u(t, o) order by o);
				execute format('create or replace function public.trap(%s, %s) returns %s language plpgsql as %L', v_args[1], v_args[2],
				               case when f.result like 'any%' then v_args[1] else f.result end,
				               format('begin raise exception ''hostile operator %%'', %L; end', f.oprname));
				execute format('create operator public.%s (leftarg = %s, rightarg = %s, function = public.trap)', f.oprname, v_args[1], v_args[2]);
			exception when others then null;
			end;
		end loop;
	end loop;
end $$;
