-- SPDX-License-Identifier: BSD-2-Clause
-- remaining: What is not over yet, and what ended badly.
-- $1 pipeline text, null: all
-- open bigint (ready, running, deferred or waiting), dead bigint, hosts bigint
select coalesce(sum(ready + running + deferred + waiting), 0)::bigint as open, coalesce(sum(dead), 0)::bigint as dead,
       (select count(*) from penstock.hosts) as hosts
from penstock.lanes
where $1::text is null or pipeline = $1::text;
