-- SPDX-License-Identifier: BSD-2-Clause
-- Takes back 0003_listens.
alter table penstock.host drop column listens;
