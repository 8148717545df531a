-- SPDX-License-Identifier: BSD-2-Clause
-- verify_ended: Jobs that ended at each stage since a moment.
-- $1 since bigint: microseconds since 1970
-- pipeline text, stage text, completed bigint, discarded bigint
select pipeline, stage, completed, discarded from penstock.ended_since($1);
