-- SPDX-License-Identifier: BSD-2-Clause
-- queue_give_turns: Places jobs with ordering keys that have arrived: ready, or behind those of their keys.
-- $1 about how many int
-- jobs bigint: how many were placed; 0 also where another host looks
select penstock.give_turns($1) as jobs;
