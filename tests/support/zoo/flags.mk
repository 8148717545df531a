# SPDX-License-Identifier: BSD-2-Clause
# What makes these animals is how they are linked.
$(OUT)/test/stages/zoo_lint_%.so: STAGE_CFLAGS = -DZOO_LINT -fno-builtin
$(OUT)/test/stages/zoo_lint_allocator.so: STAGE_LDFLAGS = -Wl,--no-as-needed $(shell pkg-config --libs jemalloc)
$(OUT)/test/stages/zoo_lint_textrel.so: STAGE_LDFLAGS = -Wl,-z,notext
$(OUT)/test/stages/zoo_lint_execstack.so: STAGE_LDFLAGS = -Wl,-z,execstack
$(OUT)/test/stages/zoo_lint_lazy.so: STAGE_LDFLAGS = -Wl,-z,lazy
$(OUT)/test/stages/zoo_lint_rpath.so: STAGE_LDFLAGS = -Wl,-rpath,/nowhere
