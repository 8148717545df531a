-- SPDX-License-Identifier: BSD-2-Clause
-- queue_claim: One row, or none when nothing could be taken.
-- $1 token uuid, $2 host bigint, $3 lane int, $4 most jobs int, $5 most bytes bigint, $6 most parcels to lock int,
-- $7 priorities smallint[] best first, $8 first parcel id of each bigint[]
-- attempt, hop, input_hop, priority, hold smallint; n int; bytes, last bigint; parcels int
select attempt, hop, input_hop, priority, hold, n, bytes, last, parcels
from penstock.claim_take($1, $2, $3, $4, $5, $6, $7, $8);
