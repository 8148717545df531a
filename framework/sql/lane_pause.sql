-- SPDX-License-Identifier: BSD-2-Clause
-- lane_pause: No host claims from these lanes any more.
-- $1 pipeline text, $2 stage text (null: all)
-- lanes int: that changed
select penstock.pause($1, $2) as lanes;
