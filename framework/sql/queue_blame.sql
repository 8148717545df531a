-- SPDX-License-Identifier: BSD-2-Clause
-- queue_blame: The job in whose stage the holder of a token died.
-- $1 token uuid, $2 job bigint, $3 lane of the stage int, $4 code text, $5 message text
-- blamed boolean: false when the token does not hold it any more
select penstock.blame_job($1, $2, $3, $4, $5) as blamed;
