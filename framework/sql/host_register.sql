-- SPDX-License-Identifier: BSD-2-Clause
-- host_register: A new boot. $6: the boot that it replaces, 0 for none, whose leases are given back at once.
-- $1 boot uuid, $2 name text, $3 machine text, $4 pid int, $5 version text, $6 former host bigint
-- host bigint
select penstock.host_register($1, $2, $3, $4, $5, $6) as host;
