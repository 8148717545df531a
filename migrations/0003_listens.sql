-- SPDX-License-Identifier: BSD-2-Clause
-- How a host learns of new jobs. Null: a host of an older version, which listens.
alter table penstock.host add column listens boolean;
