-- SPDX-License-Identifier: BSD-2-Clause
-- schema_list: the ledger: every migration that was applied, and as version 0 the public API.
-- serves: programs whose newest migration is this one work on it, too; null: none that is older. The
-- column may not be there yet.
SELECT component, version, name, checksum, applied_at,
       pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(migration), 'serves')::pg_catalog.int4 AS serves
FROM penstock.migration
ORDER BY component, version
