-- SPDX-License-Identifier: BSD-2-Clause
-- verify_rest: Does anything run now, and which id did the youngest boot get?
-- running bigint, youngest bigint
select running, youngest from penstock.at_rest();
