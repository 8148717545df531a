-- SPDX-License-Identifier: BSD-2-Clause
-- host_company: What there is beside a boot that has just been registered: hosts of other names or machines; and when it was.
-- $1 host bigint
-- beside bigint, started_at timestamptz
select (select count(*) from penstock.host o where (o.name, o.machine) is distinct from (h.name, h.machine)) as beside, h.started_at
from penstock.host h
where h.id = $1;
