-- SPDX-License-Identifier: BSD-2-Clause
-- job_cancel: Cancels one job.
-- $1 id bigint
-- cancelled bigint, running bigint: asked to end
select cancelled, running from penstock.cancel(array[$1::bigint]);
