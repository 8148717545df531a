-- SPDX-License-Identifier: BSD-2-Clause
-- queue_give_turns: Makes the first job of each ordering key ready that has no turn.
-- $1 most keys int
-- jobs bigint
select penstock.give_turns($1) as jobs;
