-- SPDX-License-Identifier: BSD-2-Clause
-- queue_make_blocks: Makes partitions ahead.
-- made int
select penstock.make_blocks() as made;
