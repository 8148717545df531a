-- SPDX-License-Identifier: BSD-2-Clause
-- Takes back 0012_parcel_ids. Parcels keep their ids: those to come are behind them.
alter sequence penstock.parcel_id increment by 1;
select setval('penstock.parcel_id', last_value + 16) from penstock.parcel_id;
alter table penstock.parcel set (autovacuum_vacuum_scale_factor = 0);
