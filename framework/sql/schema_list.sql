-- SPDX-License-Identifier: BSD-2-Clause
-- schema_list: the ledger: every migration that was applied, and as version 0 the public API.
SELECT component, version, name, checksum, applied_at
FROM penstock.migration
ORDER BY component, version
