-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_roles: The roles that the schema is made for, and what this session's role is among them.
-- name text, present boolean, member boolean, usage boolean: its rights count without SET ROLE; me text, superuser boolean
select n.name, r.oid is not null as present, coalesce(pg_has_role(current_user, r.oid, 'member'), false) as member,
       coalesce(pg_has_role(current_user, r.oid, 'usage'), false) as usage, current_user::text as me,
       (select rolsuper from pg_roles where rolname = current_user) as superuser
from pg_catalog.unnest(array['penstock_owner', 'penstock_host', 'penstock_enqueue', 'penstock_read', 'penstock_read_payload', 'penstock_admin'])
     with ordinality as n(name, o)
left join pg_roles r on r.rolname = n.name
order by n.o;
