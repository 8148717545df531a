-- SPDX-License-Identifier: BSD-2-Clause
-- queue_settle: Ends a lease or a part of it; raises PS001 when it is lost.
-- $1 token uuid; one element a set: $2 kind smallint[], $3 lane int[], $4 delay_ms bigint[], $5 hop smallint[], $6 input_hop smallint[],
-- $7 attempt smallint[], $8 hold smallint[], $9 bytes bigint[], $10 jobs int8multirange[]
-- outputs: $11 job bigint[], $12 hop smallint[], $13 attributes json[], $14 body bytea[]
-- failures: $15 job bigint[], $16 lane int[], $17 attempt smallint[], $18 code text[], $19 message text[], $20 release text[]
-- children: $21 parent bigint[], $22 lane int[], $23 attributes json[] (null: it has its parent's message), $24 body bytea[]
-- jobs_left int: what the lease still holds
select penstock.settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24) as jobs_left;
