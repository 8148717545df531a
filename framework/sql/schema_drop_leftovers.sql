-- SPDX-License-Identifier: BSD-2-Clause
-- schema_drop_leftovers: makes the statement that drops the functions that this transaction did
-- not make or replace: they are of an older API. One that a table needs stays.
-- Returns one row of text, null when there are none.
SELECT 'DROP ROUTINE ' || string_agg(format('%I.%I(%s)', 'penstock', p.proname,
	pg_catalog.pg_get_function_identity_arguments(p.oid)), ', ' ORDER BY p.oid)
FROM pg_catalog.pg_proc p
WHERE p.pronamespace = 'penstock'::pg_catalog.regnamespace
AND p.xmin <> pg_catalog.pg_current_xact_id()::pg_catalog.xid
AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
	WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = p.oid)
