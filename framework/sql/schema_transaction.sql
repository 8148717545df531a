-- SPDX-License-Identifier: BSD-2-Clause
-- schema_transaction: which transaction is this? Another number after a migration's text than
-- before it: the text ended its transaction.
SELECT pg_catalog.pg_current_xact_id()::text::bigint AS id
