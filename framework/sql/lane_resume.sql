-- SPDX-License-Identifier: BSD-2-Clause
-- lane_resume: Hosts claim from these lanes again.
-- $1 pipeline text, $2 stage text (null: all)
-- lanes int: that changed
select penstock.resume($1, $2) as lanes;
