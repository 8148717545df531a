-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_settings: The settings, as this session has them, that lose data or speed; those that the server does not know are left out.
-- name text, value text, amount bigint: bytes or milliseconds
select name, setting as value,
       case when vartype = 'integer' then setting::bigint * case unit when 'kB' then 1024 when '8kB' then 8192 when 'MB' then 1048576
                                                                        when 's' then 1000 when 'min' then 60000 else 1 end
       end as amount
from pg_settings
where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum', 'track_counts', 'track_activities', 'track_io_timing',
               'shared_buffers', 'max_wal_size', 'statement_timeout', 'transaction_timeout', 'idle_session_timeout')
order by name;
