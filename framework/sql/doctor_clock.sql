-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_clock: The database's clock.
-- now timestamptz
select clock_timestamp() as now;
