-- SPDX-License-Identifier: BSD-2-Clause
-- queue_reap_leases: Gives back what hosts held that are gone.
-- jobs bigint
select penstock.void_lost_leases() as jobs;
