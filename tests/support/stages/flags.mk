# SPDX-License-Identifier: BSD-2-Clause
# A stage that talks to the database includes libpq's own header.
$(OUT)/test/stages/insert.so: STAGE_CFLAGS = $(shell pkg-config --cflags libpq)
$(OUT)/test/stages/insert.so: STAGE_LDFLAGS = $(shell pkg-config --libs libpq)
$(OUT)/test/stages/burden_db.so: STAGE_CFLAGS = $(shell pkg-config --cflags libpq)
$(OUT)/test/stages/burden_db.so: STAGE_LDFLAGS = $(shell pkg-config --libs libpq)
