-- SPDX-License-Identifier: BSD-2-Clause
-- profile_sessions: What the sessions of workers do at this moment that came from where this one came; queue: the host's own
-- statements; stage: those of stages.
-- hidden bigint: sessions whose state this role may not see; queue_active bigint, queue_cpu bigint, queue_lock bigint, stage_active bigint,
-- stage_cpu bigint, stage_lock bigint
select count(*) filter (where s.state is null) as hidden,
       count(*) filter (where s.active and s.queue) as queue_active,
       count(*) filter (where s.active and s.queue and s.waits is null) as queue_cpu,
       count(*) filter (where s.active and s.queue and s.waits = 'Lock') as queue_lock,
       count(*) filter (where s.active and not s.queue) as stage_active,
       count(*) filter (where s.active and not s.queue and s.waits is null) as stage_cpu,
       count(*) filter (where s.active and not s.queue and s.waits = 'Lock') as stage_lock
from (select a.state, a.state = 'active' as active, a.wait_event_type as waits,
             a.query ~* '(\mpenstock\.|^\s*(begin|commit|rollback|savepoint|release)\M)' as queue
      from pg_catalog.pg_stat_activity a
      where a.application_name in ('penstock worker', 'penstock look-up') and a.datname = current_database()
        and a.client_addr is not distinct from inet_client_addr()) s;
