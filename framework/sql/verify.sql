-- SPDX-License-Identifier: BSD-2-Clause
-- verify: Every invariant that rows can show.
-- invariant text, violations bigint, detail text
select invariant, violations, detail from penstock.verify();
