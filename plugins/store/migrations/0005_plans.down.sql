-- SPDX-License-Identifier: BSD-2-Clause
alter function documents.put(
	bigint[], text[], text[], bytea[], text[], text[], text[], bigint[], text[], int[], int[],
	text[], text[], int[], int[], tsvector[], int[], int[], text[], documents.vectors, boolean
) reset enable_seqscan;
