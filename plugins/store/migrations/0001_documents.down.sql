-- SPDX-License-Identifier: BSD-2-Clause
-- Takes everything away, stored documents included.
drop schema documents cascade;
