-- SPDX-License-Identifier: BSD-2-Clause
-- schema_exists: is there a ledger of migrations?
-- Returns one row: exists boolean, serves boolean: has it the column of that name, which came later?
SELECT pg_catalog.to_regclass('penstock.migration') IS NOT NULL AS exists,
       EXISTS (SELECT FROM pg_catalog.pg_attribute
               WHERE attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('penstock.migration')::oid
                 AND attname OPERATOR(pg_catalog.=) 'serves'::pg_catalog.name) AS serves
