-- SPDX-License-Identifier: BSD-2-Clause
-- baseline_histogram: The histogram of one stage of a recording.
-- $1 baseline bigint, $2 position int
-- n bigint, in the order of buckets
select h.n from penstock.baseline_stage s, pg_catalog.unnest(s.histogram) with ordinality as h(n, o) where s.baseline = $1 and s.position = $2 order by h.o;
