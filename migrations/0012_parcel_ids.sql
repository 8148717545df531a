-- SPDX-License-Identifier: BSD-2-Clause
-- 0012_parcel_ids: ids of parcels lie sixteen apart, so that what pack makes of several has a place where they were.
--
-- Locks parcel while it gives each parcel another id: a second for a hundred thousand.

lock table penstock.parcel;
update penstock.parcel set id = -id * 16;
update penstock.parcel set id = -id;
select setval('penstock.parcel_id', last_value * 16) from penstock.parcel_id;
alter sequence penstock.parcel_id increment by 16;

-- A vacuum reads all of a deep queue's index: of ten million parcels a million dead ones are worth that, not two thousand.
alter table penstock.parcel set (autovacuum_vacuum_scale_factor = 0.1);
