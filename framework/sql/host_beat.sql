-- SPDX-License-Identifier: BSD-2-Clause
-- host_beat: One beat. Not durable: losing one costs nothing.
-- $1 host bigint
-- set_config text, one row when the host is still registered
update penstock.host set beat = beat + 1 where id = $1::bigint
returning set_config('synchronous_commit', 'off', true);
