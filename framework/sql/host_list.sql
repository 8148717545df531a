-- SPDX-License-Identifier: BSD-2-Clause
-- host_list: The beats that a reaper watches.
-- id bigint, beat bigint
select id, beat from penstock.host order by id;
