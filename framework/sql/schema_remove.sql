-- SPDX-License-Identifier: BSD-2-Clause
-- schema_remove: a migration was taken back.
-- $1 component text, $2 version integer
DELETE FROM penstock.migration WHERE component = $1 AND version = $2
