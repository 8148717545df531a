-- SPDX-License-Identifier: BSD-2-Clause
-- queue_free_keys: Makes jobs ready that wait for room of their key, where there is some that nobody gave to them.
-- $1 most keys int
-- jobs bigint
select penstock.free_keys($1) as jobs;
