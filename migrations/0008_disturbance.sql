-- SPDX-License-Identifier: BSD-2-Clause
-- 0008_disturbance: what else the machine did while a baseline was recorded.
--
-- Locks baseline for an instant.

-- null: not known, as of every recording that was made before.
alter table penstock.baseline
	add column cores    float8, -- that the host might run on
	add column used_s   float8, -- CPU time of the host and of the database's server on its machine
	add column others_s float8, -- CPU time of anything else
	add column stolen_s float8, -- that a hypervisor kept from all of them
	add column waited_s float8; -- that workers and their sessions were ready to run and had no core
