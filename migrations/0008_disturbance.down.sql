-- SPDX-License-Identifier: BSD-2-Clause
-- Takes back 0008_disturbance.
alter table penstock.baseline drop column cores, drop column used_s, drop column others_s, drop column stolen_s, drop column waited_s;
