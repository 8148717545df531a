-- SPDX-License-Identifier: BSD-2-Clause
-- 0005_schedule_source: schedules that stand in a configuration.
--
-- Locks schedule for an instant; takes milliseconds.

-- source: file and line, of the host source_host that registered last. NULL: made by a command or an application.
alter table penstock.schedule add column source text, add column source_host text,
	add constraint source_and_host check ((source is null) = (source_host is null));
