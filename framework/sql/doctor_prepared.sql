-- SPDX-License-Identifier: BSD-2-Clause
-- doctor_prepared: Transactions of this database that were prepared and wait for a second COMMIT, the oldest first.
-- gid text, role text, transactions bigint, seconds float8
select gid, owner::text as role, age(transaction)::bigint as transactions, extract(epoch from clock_timestamp() - prepared)::float8 as seconds
from pg_prepared_xacts
where database = current_database()
order by 3 desc limit 10;
