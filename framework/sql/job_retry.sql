-- SPDX-License-Identifier: BSD-2-Clause
-- job_retry: One job that is deferred becomes due now; a dead one is replayed.
-- $1 id bigint
-- jobs bigint: 1, or 0 when it is neither
select penstock.retry(array[$1::bigint]) + penstock.replay(array[$1::bigint]) as jobs;
