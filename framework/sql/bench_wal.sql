-- SPDX-License-Identifier: BSD-2-Clause
-- bench_wal: How much WAL the server has written.
-- no arguments
-- bytes bigint
select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint as bytes;
