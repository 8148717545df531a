-- SPDX-License-Identifier: BSD-2-Clause
-- dead_purge_one: One dead letter is given up.
-- $1 id bigint
-- purged bigint: 1, or 0 when it is none
select penstock.purge(array[$1::bigint]) as purged;
