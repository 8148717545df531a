-- SPDX-License-Identifier: BSD-2-Clause
-- queue_void: Gives a lease back uncharged.
-- $1 token uuid
-- jobs int: 0 when it held nothing
select penstock.void_lease($1) as jobs;
