-- SPDX-License-Identifier: BSD-2-Clause
-- Takes back 0002_life: keys, requests and totals are forgotten, pauses end.
drop table penstock.total, penstock.cancel_request, penstock.key;
alter table penstock.lane drop column paused_at;
