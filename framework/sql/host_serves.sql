-- SPDX-License-Identifier: BSD-2-Clause
-- host_serves: Tells others what a host works on.
-- $1 host bigint, $2 supervisor uuid, $3 lanes int[]
update penstock.host set supervisor = $2::uuid, lanes = $3::int[] where id = $1::bigint;
