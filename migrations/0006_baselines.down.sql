-- SPDX-License-Identifier: BSD-2-Clause
drop table penstock.baseline_stage;
drop table penstock.baseline;
