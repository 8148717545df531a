-- SPDX-License-Identifier: BSD-2-Clause
-- schema_add: note that a migration was applied, or (version 0) which API is installed.
-- $1 component text, $2 version integer, $3 name text, $4 checksum text, $5 serves integer or null
INSERT INTO penstock.migration (component, version, name, checksum, serves)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (component, version) DO UPDATE
SET name = excluded.name, checksum = excluded.checksum, applied_at = pg_catalog.clock_timestamp()
WHERE migration.version = 0
