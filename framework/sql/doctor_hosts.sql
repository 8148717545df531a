-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_hosts: Boots of hosts that are listed, with their beats.
-- id bigint, name text, machine text, version text, beat bigint, running bigint, polls boolean
select id, name, machine, version, beat, running::bigint, wake = 'poll' as polls from penstock.hosts order by id;
