-- SPDX-License-Identifier: BSD-2-Clause
-- dead_replay_one: One dead letter begins again where it failed.
-- $1 id bigint
-- replayed bigint: 1, or 0 when it is none
select penstock.replay(array[$1::bigint]) as replayed;
