-- SPDX-License-Identifier: BSD-2-Clause
-- bell_clear: Takes a host's doorbells down.
-- $1 host bigint
delete from penstock.doorbell where host = $1::bigint;
