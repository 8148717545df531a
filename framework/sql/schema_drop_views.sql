-- SPDX-License-Identifier: BSD-2-Clause
-- schema_drop_views: makes the statement that drops all views of the API at once, since they may
-- stand on each other. No CASCADE: a view of the user's on top of them is named and stops us.
-- Returns one row of text, null when there are none.
SELECT 'DROP VIEW ' || string_agg(format('penstock.%I', c.relname), ', ' ORDER BY c.oid)
FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'penstock'::pg_catalog.regnamespace AND c.relkind = 'v'
