-- SPDX-License-Identifier: BSD-2-Clause
-- Takes everything away, jobs included. The roles stay: other databases of the
-- cluster may use them.
drop schema penstock cascade;
