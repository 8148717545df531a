-- SPDX-License-Identifier: BSD-2-Clause
-- schema_exists: is there a ledger of migrations?
-- Returns one row: exists boolean.
SELECT pg_catalog.to_regclass('penstock.migration') IS NOT NULL AS exists
