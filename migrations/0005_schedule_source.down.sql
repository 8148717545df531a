-- SPDX-License-Identifier: BSD-2-Clause
-- Takes back 0005_schedule_source: schedules of configurations stay, as if they had been made by a command.
alter table penstock.schedule drop column source, drop column source_host;
