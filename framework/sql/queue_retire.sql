-- SPDX-License-Identifier: BSD-2-Clause
-- queue_retire: Pipelines that are configured no more take no new jobs, unless a host of another supervisor serves them.
-- $1 pipelines text[], $2 supervisor uuid
update penstock.lane l set position = -1
from penstock.pipeline p
where p.name = any ($1::text[]) and l.pipeline = p.id and l.position >= 0
  and not exists (select from penstock.host h join penstock.lane o on o.id = any (h.lanes)
                  where o.pipeline = p.id and h.supervisor is distinct from $2::uuid);
