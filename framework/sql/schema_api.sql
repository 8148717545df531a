-- SPDX-License-Identifier: BSD-2-Clause
-- schema_api: which public API is installed; no row: none, or the tables below it changed since.
-- Returns name (the version of penstock that installed it), checksum.
SELECT name, checksum FROM penstock.migration WHERE component = 'penstock' AND version = 0
