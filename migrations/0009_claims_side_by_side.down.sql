-- SPDX-License-Identifier: BSD-2-Clause
-- Takes back 0009_claims_side_by_side: claims of a limited lane take turns again. Jobs that run meanwhile count for no key.
delete from penstock.bucket where slot > 0;
alter table penstock.bucket drop constraint bucket_pkey, drop column slot, add primary key (lane);
alter table penstock.lease drop column key_most;
