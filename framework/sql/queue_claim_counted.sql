-- SPDX-License-Identifier: BSD-2-Clause
-- queue_claim_counted: As queue_claim, of a lane with a limit for each key, by a host that counts the keys.
-- $1 token uuid, $2 host bigint, $3 lane int, $4 most jobs int, $5 most bytes bigint, $6 most parcels to lock int,
-- $7 priorities smallint[] best first, $8 first parcel id of each bigint[], $9 most jobs of one key that it begins int
-- attempt, hop, input_hop, priority, hold smallint; n int; bytes, last bigint; parcels int; key_room int (null: nothing to count)
select attempt, hop, input_hop, priority, hold, n, bytes, last, parcels, key_room
from penstock.claim_keyed_lane($1, $2, $3, $4, $5, $6, $7, $8, $9);
