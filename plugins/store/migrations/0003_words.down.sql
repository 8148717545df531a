-- SPDX-License-Identifier: BSD-2-Clause
-- The function of 0002_put is still there.
drop function documents.put(bigint[], text[], text[], bytea[], text[], text[], text[], bigint[], text[], int[], int[],
	text[], text[], int[], int[], tsvector[], int[], int[], text[], documents.vectors);
drop function documents.lexemes;
drop type documents.vectors;
