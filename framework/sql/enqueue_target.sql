-- SPDX-License-Identifier: BSD-2-Clause
-- enqueue_target: Where jobs of a pipeline go, and whether this role may use COPY.
-- $1 pipeline text
-- pipeline int, lane int, may_copy boolean
select pipeline, lane, has_table_privilege('penstock.job', 'insert') and has_table_privilege('penstock.parcel', 'insert') as may_copy
from penstock.find_pipeline($1);
