-- SPDX-License-Identifier: BSD-2-Clause
-- queue_reap: Takes a host for dead if its beat is still the one that was watched.
-- $1 host bigint, $2 beat bigint
-- reaped boolean
select penstock.host_reap($1, $2) as reaped;
