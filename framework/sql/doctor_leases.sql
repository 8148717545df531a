-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_leases: What is leased to whom.
-- host bigint, listed boolean: the host has a row; leases bigint, jobs bigint, seconds float8: since the oldest was taken
select l.host, h.id is not null as listed, count(*) as leases, sum(l.n)::bigint as jobs,
       extract(epoch from clock_timestamp() - min(l.taken_at))::float8 as seconds
from penstock.lease l left join penstock.host h on h.id = l.host
group by 1, 2 order by 1;
