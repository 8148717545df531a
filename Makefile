# SPDX-License-Identifier: BSD-2-Clause
#
# One Makefile for the whole house; `make help` lists what it can do.
#
# Sources are found by wildcard, so a new file in its right folder is built
# and tested without a change here. Variants live beside the normal build:
#   make            build/        hardened, jemalloc
#   make SAN=1      build/asan/   AddressSanitizer and UBSan, arena_asan.c
#   make TSAN=1     build/tsan/   ThreadSanitizer, arena_asan.c

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

VERSION    := 0.1.0
PREFIX     ?= /usr/local
DESTDIR    ?=
SYSCONFDIR ?= /etc
LIBDIR     ?= $(PREFIX)/lib
DOCS       ?=

# make's own CC, CXX and AR (cc, g++, ar) do, but plugins and the rest must agree on the language
C_STD   := -std=gnu17
CXX_STD := -std=c++17
INSTALL ?= install

# ---- variants ---------------------------------------------------------------------------------

GEN := build/gen
ifdef SAN
OUT       := build/asan
VARIANT   := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
VARIANT_L := -fsanitize=address,undefined
else ifdef TSAN
OUT       := build/tsan
# fences are not modelled: gcc says so with -Wtsan, and the counters read with one
VARIANT   := -fsanitize=thread -fno-omit-frame-pointer -Wno-tsan
VARIANT_L := -fsanitize=thread
else
OUT       := build
VARIANT   := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong \
             -fstack-clash-protection
ifneq (,$(findstring x86_64,$(shell uname -m)))
VARIANT   += -fcf-protection
endif
VARIANT_L := -Wl,-z,relro,-z,now -Wl,-z,noexecstack
endif

# plugins get every symbol from themselves or from the libraries that they name;
# sanitized ones take the sanitizer's symbols from the host, so there it is not asked
ifeq ($(OUT),build)
NO_UNDEFINED   := -Wl,-z,defs
ALLOCATOR      := jemalloc
OTHER_ALLOCATOR := framework/memory/arena_asan.c
else
NO_UNDEFINED   :=
ALLOCATOR      :=
OTHER_ALLOCATOR := framework/memory/arena_jemalloc.c
endif

# ---- flags ------------------------------------------------------------------------------------

WARN     := -Wall -Wextra -Wshadow -Wconversion -Werror
COMMON   := -O2 -g $(WARN) $(VARIANT) -pthread -MMD -MP
INCLUDES := -Iframework -I$(GEN)
PLACES   := -DPENSTOCK_VERSION='"$(VERSION)"' -DPENSTOCK_STAGEDIR='"$(LIBDIR)/penstock/stages"' \
            -DPENSTOCK_SYSCONFDIR='"$(SYSCONFDIR)/penstock"' \
            -DPENSTOCK_DATADIR='"$(PREFIX)/share/penstock"' -DPENSTOCK_INCLUDEDIR='"$(PREFIX)/include"'

CORE_CFLAGS   = $(C_STD) -D_GNU_SOURCE= $(COMMON) -fPIE $(INCLUDES) $(PLACES) $(pkgs_cflags) \
                $(CPPFLAGS) $(CFLAGS)
TEST_CFLAGS   = $(CORE_CFLAGS) -Itests -DTEST_BUILD_DIR='"$(OUT)"'
PLUGIN_CFLAGS = $(COMMON) -fPIC -fvisibility=hidden -Iframework $(CPPFLAGS)
CORE_LDFLAGS  = -pie -pthread $(VARIANT_L) $(LDFLAGS)
CORE_LIBS     = $(pkgs_libs) -ldl -lm

PKGS := libpq libconfig jansson libsodium libmicrohttpd smartcols ncursesw $(ALLOCATOR)
# asked once, and only when something is compiled
pkgs_cflags = $(eval pkgs_cflags := $$(shell pkg-config --cflags $(PKGS)))$(pkgs_cflags)
pkgs_libs   = $(eval pkgs_libs := $$(shell pkg-config --libs $(PKGS)))$(pkgs_libs)

ifdef V
Q :=
say = @:
else
Q := @
say = @printf '  %-5s %s\n'
endif

# ---- what there is ----------------------------------------------------------------------------

CORE_SRCS    := $(sort $(filter-out framework/cli/main.c $(OTHER_ALLOCATOR),\
                $(wildcard framework/*/*.c)))
MAIN_SRC     := $(wildcard framework/cli/main.c)
SQL_FILES    := $(sort $(wildcard framework/sql/*.sql framework/sql/api/*.sql migrations/*.sql))
# of the plugins that name a library in NAME_WANTS, those that it is not installed for
WITHOUT      := $(shell for f in plugins/*/plugin.mk; do \
                want=$$(sed -n 's/^[a-z0-9_]*_WANTS *:= *//p' $$f); \
                [ -z "$$want" ] || pkg-config --exists $$want 2> /dev/null || basename $$(dirname $$f); done)
PLUGINS      := $(sort $(filter-out template $(WITHOUT),$(patsubst plugins/%/plugin.mk,%,\
                $(wildcard plugins/*/plugin.mk))))
SUPPORT_SRCS := $(sort $(wildcard tests/support/*.c))
STAGE_SRCS   := $(sort $(wildcard tests/support/stages/*.c tests/support/stages/*.cc))
ZOO          := $(shell sed -n 's/^ZOO_[A-Z]*.\([a-z_]*\),.*/\1/p' tests/support/zoo/zoo.def \
                2> /dev/null)
UNIT_SRCS    := $(sort $(wildcard tests/unit/*/test_*.c))
DB_SRCS      := $(sort $(wildcard tests/db/test_*.c))
BENCH_SRCS   := $(sort $(wildcard bench/*.c))
MAN_SRCS     := $(sort $(wildcard docs/man/*.scd) $(foreach p,$(PLUGINS),\
                $(wildcard plugins/$(p)/$(p).scd)))

LIB        := $(OUT)/libpenstock.a
BIN        := $(if $(MAIN_SRC),$(OUT)/penstock)
GEN_SQL    := $(GEN)/sql_text.h $(GEN)/sql_text.c
SUPPORT    := $(OUT)/test/libsupport.a
CORE_OBJS  := $(CORE_SRCS:%.c=$(OUT)/obj/%.o) $(OUT)/obj/gen/sql_text.o
MAIN_OBJ   := $(MAIN_SRC:%.c=$(OUT)/obj/%.o)
SUPPORT_OBJS := $(SUPPORT_SRCS:%.c=$(OUT)/obj/%.o)
PLUGIN_SOS := $(PLUGINS:%=$(OUT)/plugins/%.so)
STAGE_SOS  := $(foreach s,$(STAGE_SRCS),$(OUT)/test/stages/$(basename $(notdir $(s))).so) \
              $(ZOO:%=$(OUT)/test/stages/zoo_%.so)
UNIT_BINS  := $(UNIT_SRCS:tests/%.c=$(OUT)/test/%)
DB_BINS    := $(DB_SRCS:tests/%.c=$(OUT)/test/%)
BENCH_BINS := $(BENCH_SRCS:bench/%.c=$(OUT)/bench/%)
MAN_PAGES  := $(MAN_SRCS:%.scd=build/man/%.roff)

FORMAT_FILES := $(sort $(wildcard framework/*.h framework/*/*.[ch] plugins/*/*.[ch] plugins/*/*.cc \
                tests/*/*.[ch] tests/*/*/*.[ch] tests/*/*/*.cc bench/*.[ch] examples/*/*.[ch]))

RUN := PENSTOCK_BUILD=$(OUT) scripts/run-tests

# ---- targets for people -----------------------------------------------------------------------

.PHONY: all
all: $(LIB) $(BIN) plugins ## build the binary and the plugins into build/ (SAN=1, TSAN=1 for the variants)

.PHONY: demo
demo: ## index a folder of documents and search it (DOCS=folder; default: PostgreSQL's manual)
	@scripts/deps build demo
	@$(MAKE) --no-print-directory all
	@DOCS='$(DOCS)' examples/documents/run

.PHONY: check
check: ## install what is missing, build, and run every test (a few minutes)
	@scripts/deps build test
	@scripts/check

.PHONY: check-long
check-long: ## as check, with the sanitizers over more tests and the long flows
	@scripts/deps build test
	@LONG=1 scripts/check

.PHONY: check-versions
check-versions: all stages db-build ## against PostgreSQL 14 to 18, fetched into build/ (VERSIONS="14 18": these)
	@PENSTOCK_BUILD=$(OUT) scripts/check-versions $(VERSIONS)

.PHONY: check-older
check-older: all stages ## programs before and at the last migration on the schema of this one (OLD="COMMIT...": these)
	@PENSTOCK_BUILD=$(OUT) scripts/check-older $(OLD)

.PHONY: bench
bench: ## measure beside the reference queue and print the figures
	@scripts/deps build bench
	@$(MAKE) --no-print-directory all bench-build
	@bench/run

.PHONY: bench-latency bench-depth bench-limits
bench-latency: ## from enqueue to start beside graphile-worker (RATE, SECONDS_EACH, ROUNDS)
bench-depth: ## claims and `lanes` with ten million ready single jobs (FEW, MANY, ROUNDS)
bench-limits: ## what limits cost that are not reached (JOBS, ROUNDS)
bench-latency bench-depth bench-limits:
	@scripts/deps build bench
	@$(MAKE) --no-print-directory all stages bench-build
	@bench/queue $(@:bench-%=%)

.PHONY: bench-counters
bench-counters: all bench-build $(OUT)/test/stages/spin.so ## what counting costs, at jobs of one microsecond in calls of 256
	@$(OUT)/bench/counters $(OUT)/test/stages/spin.so

.PHONY: install
install: all man ## install below PREFIX (/usr/local), SYSCONFDIR (/etc); DESTDIR for packagers
	@scripts/install-files '$(OUT)' '$(DESTDIR)' '$(PREFIX)' '$(LIBDIR)' '$(SYSCONFDIR)' '$(VERSION)' \
		$(PLUGINS)

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: format
format: ## lay out every C and C++ file with clang-format 14
	@scripts/format fix $(FORMAT_FILES)

.PHONY: format-check
format-check: ## fail with a diff where the layout differs
	@scripts/format check $(FORMAT_FILES)

.PHONY: generate
generate: $(BIN) ## make conf/penstock.conf, docs/commands.md and the tables in docs/configuration.md
	@scripts/gen-config
	@$(BIN) help --markdown > docs/commands.md

.PHONY: lint
lint: $(GEN_SQL) ## walls and floors, headers that compile alone, SPDX lines and the like
	@tests/lint/run

.PHONY: deps
deps: ## install the Debian packages that are missing, of every group
	@scripts/deps build test demo bench

.PHONY: unit
unit: unit-build ## tests without a database
	@$(RUN) unit $(UNIT_BINS)

.PHONY: plugins-test
plugins-test: all plugins-test-build ## the tests of each plugin
	@$(RUN) plugins $(PLUGIN_TEST_BINS)

.PHONY: db
db: db-build ## tests with a private PostgreSQL
	@$(RUN) db $(sort $(wildcard tests/support/test_*.sh)) $(DB_BINS)

.PHONY: sql
sql: all ## shapes and plans of the statements, and their races
	@$(if $(wildcard tests/sql/run),PENSTOCK_BUILD=$(OUT) tests/sql/run,$(RUN) sql)

.PHONY: flow
flow: all stages ## the binary as a user runs it
	@$(RUN) flow $(sort $(wildcard tests/flow/[0-9][0-9]_*.sh))

.PHONY: prove-versions
prove-versions: all stages db-build ## as check-versions, and write docs/proof/versions.md
	@PROVE=docs/proof/versions.md PENSTOCK_BUILD=$(OUT) scripts/check-versions $(VERSIONS)

.PHONY: check-model
check-model: ## the protocol of the lease as a model in Spin, and its mutants
	@PENSTOCK_BUILD=$(OUT) tests/model/run

.PHONY: prove-faults
prove-faults: all stages db-build ## every fault in its long form, and write docs/proof/faults.md (CUTS=sample: sooner)
	@PENSTOCK_BUILD=$(OUT) scripts/prove-faults

.PHONY: prove-profile
prove-profile: all stages ## what profile foresees beside what came, into docs/proof/profile.md (ten minutes, a quiet machine)
	@scripts/deps build test bench
	@PENSTOCK_BUILD=$(OUT) bench/prove-profile

.PHONY: prove-%
prove-%: all tests-build ## every test of one stem: make prove-queue_claim
	@PENSTOCK_BUILD=$(OUT) scripts/prove '$*'

.PHONY: help
help: ## this list
	@awk 'match($$0, /^[a-z%-]+:[^=].*## /) { \
		t = $$0; sub(/:.*/, "", t); h = $$0; sub(/.*## /, "", h); \
		printf "  %-18s %s\n", t, h }' $(firstword $(MAKEFILE_LIST))

# ---- parts of the build, each by its name -----------------------------------------------------

.PHONY: plugins
plugins: $(PLUGIN_SOS) ## only the plugins

.PHONY: stages
stages: $(STAGE_SOS) ## the sample stages and the zoo of misbehaving ones

.PHONY: man
man: $(MAN_PAGES) build/man/commands/.made ## the manual pages

.PHONY: gen
gen: $(GEN_SQL) ## the generated sources

.PHONY: unit-build
unit-build: $(UNIT_BINS) stages ## build the unit tests

.PHONY: db-build
db-build: $(DB_BINS) stages all ## build the database tests

.PHONY: bench-build
bench-build: $(BENCH_BINS) ## build the benchmarks

.PHONY: tests-build
tests-build: unit-build db-build plugins-test-build ## build every test

# ---- the library and the binary ---------------------------------------------------------------

# A file that changes when its text does: a removed source or another flag rebuilds what it must.
# $(call remember,file,text)
define remember
$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$(subst ','\'',$(2))' | cmp -s - $$@ || printf '%s\n' '$(subst ','\'',$(2))' > $$@
endef
.PHONY: FORCE
FORCE:
$(eval $(call remember,$(OUT)/obj/flags,$(CC) $(CXX) $(C_STD) $(COMMON) $(PLACES) $(CPPFLAGS) $(CFLAGS) $(CXXFLAGS) $(LDFLAGS)))
$(eval $(call remember,$(OUT)/obj/sources,$(CORE_SRCS)))
$(eval $(call remember,$(OUT)/obj/support,$(SUPPORT_SRCS)))
$(eval $(call remember,$(GEN)/sql.list,$(SQL_FILES)))

$(GEN)/sql_text.h: scripts/gen-sql $(SQL_FILES) $(GEN)/sql.list
	$(say) GEN $(GEN)/sql_text.c
	$(Q)scripts/gen-sql $(GEN)
$(GEN)/sql_text.c: $(GEN)/sql_text.h ;

$(OUT)/obj/gen/sql_text.o: $(GEN)/sql_text.c $(OUT)/obj/flags
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CORE_CFLAGS) -c -o $@ $<

$(OUT)/obj/framework/%.o: framework/%.c $(OUT)/obj/flags | $(GEN_SQL)
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CORE_CFLAGS) -c -o $@ $<

$(LIB): $(CORE_OBJS) $(OUT)/obj/sources
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $(CORE_OBJS)

$(OUT)/penstock: $(MAIN_OBJ) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(CORE_LDFLAGS) -o $@ $(MAIN_OBJ) $(LIB) $(CORE_LIBS)

# ---- plugins ----------------------------------------------------------------------------------
#
# plugins/NAME/plugin.mk may set, all optional:
#   NAME_PKGS       pkg-config names          NAME_LIBS       further -l flags
#   NAME_CFLAGS     further compiler flags    NAME_SRCS       default: NAME.c or NAME.cc
#   NAME_TEST_SRCS  default: test_NAME.c      NAME_TEST_PKGS  for the test only
#   NAME_WANTS      pkg-config names without which the plugin is left out
# A test is linked with the library of the host, cmocka and the libraries of its plugin, not with
# the plugin itself: it loads build/plugins/NAME.so as the host does, or names sources to test.

-include $(sort $(filter-out plugins/template/%,$(wildcard plugins/*/plugin.mk)))

PLUGIN_TEST_BINS :=

# $(call plugin_rules,NAME)
define plugin_rules
$(1)_SRCS ?= $$(notdir $$(firstword $$(wildcard plugins/$(1)/$(1).c plugins/$(1)/$(1).cc)))
$(1)_TEST_SRCS ?= $$(notdir $$(wildcard plugins/$(1)/test_$(1).c))
$(1)_OBJS := $$(addprefix $(OUT)/obj/plugins/$(1)/,$$(addsuffix .o,$$(basename $$($(1)_SRCS))))
$(1)_TEST_OBJS := $$(addprefix $(OUT)/obj/plugins/$(1)/test/,\
	$$(addsuffix .o,$$(basename $$($(1)_TEST_SRCS))))
$(1)_pkgs_cflags = $$(if $$($(1)_PKGS),$$(shell pkg-config --cflags $$($(1)_PKGS)))
$(1)_pkgs_libs = $$(if $$($(1)_PKGS),$$(shell pkg-config --libs $$($(1)_PKGS)))
$(1)_MIGRATIONS := $$(wildcard plugins/$(1)/migrations/*.sql)
ALL_DEPS += $$($(1)_OBJS:.o=.d) $$($(1)_TEST_OBJS:.o=.d)

$(OUT)/obj/plugins/$(1)/%.o: plugins/$(1)/%.c $(OUT)/obj/flags plugins/$(1)/plugin.mk
	@mkdir -p $$(@D)
	$(say) CC $$<
	$(Q)$(CC) $(C_STD) -D_GNU_SOURCE= $$(PLUGIN_CFLAGS) $$($(1)_pkgs_cflags) $$($(1)_CFLAGS) $$(CFLAGS) -c -o $$@ $$<

$(OUT)/obj/plugins/$(1)/%.o: plugins/$(1)/%.cc $(OUT)/obj/flags plugins/$(1)/plugin.mk
	@mkdir -p $$(@D)
	$(say) CXX $$<
	$(Q)$(CXX) $(CXX_STD) $$(PLUGIN_CFLAGS) $$($(1)_pkgs_cflags) $$($(1)_CFLAGS) $$(CXXFLAGS) -c -o $$@ $$<

$(OUT)/obj/plugins/$(1)/test/%.o: plugins/$(1)/%.c $(OUT)/obj/flags plugins/$(1)/plugin.mk | $(GEN_SQL)
	@mkdir -p $$(@D)
	$(say) CC $$<
	$(Q)$(CC) $$(TEST_CFLAGS) -Iplugins/$(1) $$($(1)_pkgs_cflags) $$($(1)_CFLAGS) -c -o $$@ $$<

$(OUT)/plugins/$(1).so: $$($(1)_OBJS) $$($(1)_MIGRATIONS) $(wildcard plugins/$(1)/migrations)
	@mkdir -p $$(@D)
	$(say) LINK $$@
	$(Q)$$(if $$(filter %.cc,$$($(1)_SRCS)),$(CXX),$(CC)) -shared $(VARIANT_L) $(NO_UNDEFINED) $$(LDFLAGS) \
		-o $$@ $$($(1)_OBJS) $$($(1)_pkgs_libs) $$($(1)_LIBS)
	$(Q)rm -rf $(OUT)/plugins/$(1).migrations
	$$(if $$($(1)_MIGRATIONS),$(Q)mkdir $(OUT)/plugins/$(1).migrations && \
		cp $$($(1)_MIGRATIONS) $(OUT)/plugins/$(1).migrations/)

ifneq (,$$($(1)_TEST_SRCS))
PLUGIN_TEST_BINS += $(OUT)/test/plugins/test_$(1)
$(OUT)/test/plugins/test_$(1): $$($(1)_TEST_OBJS) $(SUPPORT) $(LIB) | $(OUT)/plugins/$(1).so
	@mkdir -p $$(@D)
	$(say) LINK $$@
	$(Q)$$(if $$(filter %.cc,$$($(1)_TEST_SRCS)),$(CXX),$(CC)) $$(CORE_LDFLAGS) -o $$@ $$($(1)_TEST_OBJS) \
		$(SUPPORT) $(LIB) -lcmocka $$($(1)_pkgs_libs) $$($(1)_LIBS) \
		$$(if $$($(1)_TEST_PKGS),$$(shell pkg-config --libs $$($(1)_TEST_PKGS))) $$(CORE_LIBS)
endif
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin_rules,$(p))))

.PHONY: plugins-test-build
plugins-test-build: $(PLUGIN_TEST_BINS) stages ## build the tests of the plugins

# ---- tests ------------------------------------------------------------------------------------

$(OUT)/obj/tests/%.o: tests/%.c $(OUT)/obj/flags | $(GEN_SQL)
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(TEST_CFLAGS) -c -o $@ $<

$(SUPPORT): $(SUPPORT_OBJS) $(OUT)/obj/support
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $(SUPPORT_OBJS)

$(UNIT_BINS) $(DB_BINS): $(OUT)/test/%: $(OUT)/obj/tests/%.o $(SUPPORT) $(LIB)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(CORE_LDFLAGS) -o $@ $< $(SUPPORT) $(LIB) -lcmocka $(CORE_LIBS)

# Sample stages are one file each. The misbehaving ones are all zoo.c, built once for each name in
# zoo.def with -DZOO_name. One may need odd flags: flags.mk beside them sets them per target, as in
# $(OUT)/test/stages/zoo_execstack.so: STAGE_LDFLAGS = -Wl,-z,execstack
STAGE_CFLAGS  :=
STAGE_LDFLAGS :=
-include $(wildcard tests/support/zoo/flags.mk tests/support/stages/flags.mk)

$(ZOO:%=$(OUT)/test/stages/zoo_%.so): $(OUT)/test/stages/zoo_%.so: tests/support/zoo/zoo.c \
		framework/penstock.h $(OUT)/obj/flags $(wildcard tests/support/zoo/flags.mk)
	@mkdir -p $(@D)
	$(say) STAGE $@
	$(Q)$(CC) $(C_STD) -D_GNU_SOURCE= $(filter-out -MMD -MP,$(PLUGIN_CFLAGS)) -DZOO_$* $(STAGE_CFLAGS) \
		-shared $(VARIANT_L) -o $@ $< $(STAGE_LDFLAGS)

# $(call stage_rule,source)
define stage_rule
$(OUT)/test/stages/$(basename $(notdir $(1))).so: $(1) $(OUT)/obj/flags $(wildcard $(dir $(1))flags.mk)
	@mkdir -p $$(@D)
	$(say) STAGE $$@
	$(Q)$(if $(filter %.cc,$(1)),$(CXX) $(CXX_STD),$(CC) $(C_STD) -D_GNU_SOURCE=) $$(PLUGIN_CFLAGS) $$(STAGE_CFLAGS) \
		-shared $(VARIANT_L) -o $$@ $$< $$(STAGE_LDFLAGS)
ALL_DEPS += $(OUT)/test/stages/$(basename $(notdir $(1))).d
endef
$(foreach s,$(STAGE_SRCS),$(eval $(call stage_rule,$(s))))

$(BENCH_BINS): $(OUT)/bench/%: bench/%.c $(LIB) $(OUT)/obj/flags
	@mkdir -p $(@D) $(OUT)/obj/bench
	$(say) CC $<
	$(Q)$(CC) $(CORE_CFLAGS) -MF $(OUT)/obj/bench/$*.d $(CORE_LDFLAGS) -o $@ $< $(LIB) $(CORE_LIBS)

build/man/%.roff: %.scd
	@mkdir -p $(@D)
	$(Q)scdoc < $< > $@

build/man/commands/.made: $(BIN) scripts/gen-man
	$(say) MAN $(@D)
	$(Q)scripts/gen-man $(BIN) $(@D)
	@touch $@

# objects stay: make would take those of the tests for intermediate files
.SECONDARY:

ALL_DEPS += $(CORE_OBJS:.o=.d) $(MAIN_OBJ:.o=.d) $(SUPPORT_OBJS:.o=.d) \
	$(UNIT_SRCS:%.c=$(OUT)/obj/%.d) $(DB_SRCS:%.c=$(OUT)/obj/%.d) $(BENCH_BINS:$(OUT)/%=$(OUT)/obj/%.d)
-include $(wildcard $(ALL_DEPS))
