-- SPDX-License-Identifier: BSD-2-Clause
-- 0005_plans: storing never reads a whole table.
--
-- A session plans once, and so does the check of the foreign key, for each passage: made while the
-- table of documents was empty, such a plan reads all of it, and it grows. An index is right for any size.
-- Locks nothing that is in use; takes milliseconds.

alter function documents.put(
	bigint[], text[], text[], bytea[], text[], text[], text[], bigint[], text[], int[], int[],
	text[], text[], int[], int[], tsvector[], int[], int[], text[], documents.vectors, boolean
) set enable_seqscan = off;
