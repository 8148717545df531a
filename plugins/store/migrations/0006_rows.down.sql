-- SPDX-License-Identifier: BSD-2-Clause
alter table documents.passage reset (toast_tuple_target);
