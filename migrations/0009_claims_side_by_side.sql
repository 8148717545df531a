-- SPDX-License-Identifier: BSD-2-Clause
-- 0009_claims_side_by_side: several claims of one limited lane at once, as long as it is far from its limits.
--
-- Locks lease and bucket for an instant.

-- At most so many of the lease's jobs have one key. Null: it was claimed without a limit for each key. Who they are stands in job_keys
-- only where the claim had to compare keys.
alter table penstock.lease add column key_most int;

-- A lane's tokens, in as many parts as claims may be in flight at once, or in one.
alter table penstock.bucket add column slot smallint not null default 0, drop constraint bucket_pkey, add primary key (lane, slot);
