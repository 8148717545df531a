-- SPDX-License-Identifier: BSD-2-Clause
-- schema_lock: one migration at a time in this database, until the end of the transaction.
-- The number is "penstock" read as eight bytes.
SELECT pg_catalog.pg_advisory_xact_lock(8099000947049456491)
