-- SPDX-License-Identifier: BSD-2-Clause
-- 0007_serves: which lanes a host serves, and under which supervisor it runs.
--
-- Locks host for an instant.

-- A stage that one supervisor's hosts do not serve any more may still be served by others.
alter table penstock.host add column supervisor uuid, add column lanes int[] not null default '{}';
