-- SPDX-License-Identifier: BSD-2-Clause
-- baseline_drop: Deletes a recording.
-- $1 name text
-- dropped bigint
with gone as (
	delete from penstock.baseline where name = $1 returning id
)
select count(*) as dropped from gone;
