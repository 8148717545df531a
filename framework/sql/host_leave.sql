-- SPDX-License-Identifier: BSD-2-Clause
-- host_leave: The end of a boot; what it still held is given back uncharged.
-- $1 host bigint
-- jobs int
select penstock.host_leave($1) as jobs;
