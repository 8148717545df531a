-- SPDX-License-Identifier: BSD-2-Clause
-- 0006_rows: a passage is one row of one table.
--
-- With its words and its vector it has some 2.7 KB: above 2 KB PostgreSQL tries to compress each of them, and puts the
-- text into a table of its own. Up to 4 KB it is left as it is. Holds for what is stored from now on. Waits for a vacuum or
-- an index that is being made, locks nobody else out; takes milliseconds.

alter table documents.passage set (toast_tuple_target = 4080);
