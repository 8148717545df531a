-- SPDX-License-Identifier: BSD-2-Clause
-- Takes back 0007_serves.
alter table penstock.host drop column supervisor, drop column lanes;
