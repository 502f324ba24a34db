# SPDX-License-Identifier: 0BSD
# The host flavours (sanitizers, against the host's own C library) and the checks.
#
# $(O)/host/asan and $(O)/host/tsan hold libsatchel.a and the whole program; $(O)/host/fuzz holds the
# library for libFuzzer. libsatchel.a is all of core and the chosen features except main().

asan-cc := $(HOSTCC)
asan-flags := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
tsan-cc := $(HOSTCC)
tsan-flags := -g -O1 -fsanitize=thread -fno-omit-frame-pointer
fuzz-cc := $(HOSTCLANG)
fuzz-flags := -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
lib-src := $(filter-out $(main-src),$(SRC))
# A feature may name tests that need a part of it that was left out (feature.mk): tests-without.
unit-src := $(filter-out $(tests-without),$(sort $(wildcard tests/unit/*_test.c) \
	$(foreach d,$(FEATURE_DIRS),$(wildcard $(d)/*_test.c))))
thread-src := $(filter %_thread_test.c,$(unit-src))
fuzz-src := $(filter-out $(tests-without),$(sort $(wildcard tests/fuzz/fuzz_*.c) \
	$(foreach d,$(FEATURE_DIRS),$(wildcard $(d)/fuzz_*.c))))

# $(1) flavour
define flavour
$(1)-dir := $(O)/host/$(1)
$(1)-lib := $(O)/host/$(1)/libsatchel.a
$(1)-obj := $(lib-src:%.c=$(O)/host/$(1)/obj/%.o)

$(O)/host/$(1)/obj/%.o: %.c $(O)/obj/flags | $(call dep-stamps,$(1))
	$$(call say,CC,'$$< ($(1))')
	$(Q)mkdir -p $$(@D)
	$(Q)$$($(1)-cc) $(COMMON) $$($(1)-flags) $(CPPFLAGS) -DSATCHEL_HOST=1 $(call dep-include,$(1)) \
		-MMD -c -o $$@ $$<
	$(Q)kconfig/fixdep.sh $$(@:.o=.d) $(GEN)

$(O)/host/$(1)/libsatchel.a: $$($(1)-obj) $(O)/obj/list
	$$(call say,AR,$$@)
	$(Q)mkdir -p $$(@D); rm -f $$@; $(CROSS_COMPILE)ar rcsD $$@ $$($(1)-obj)

$(O)/host/$(1)/satchel: $(main-src:%.c=$(O)/host/$(1)/obj/%.o) $(O)/host/$(1)/libsatchel.a \
		$(call dep-stamps,$(1))
	$$(call say,LD,$$@)
	$(Q)$$($(1)-cc) $$($(1)-flags) -o $$@ $$(filter %.o %.a,$$^) $(call dep-libs,$(1)) $$(host-libs) -lpthread

$(O)/host/$(1)/tests/%: $(O)/host/$(1)/obj/%.o $(O)/host/$(1)/libsatchel.a $(call dep-stamps,$(1))
	$$(call say,LD,$$@)
	$(Q)mkdir -p $$(@D)
	$(Q)$$($(1)-cc) $$($(1)-flags) -o $$@ $$(filter %.o %.a,$$^) $(call dep-libs,$(1)) -lcmocka $$(host-libs) -lpthread

-include $$(patsubst %.c,$(O)/host/$(1)/obj/%.d,$(SRC) $(unit-src) $(fuzz-src))
endef
$(foreach f,asan tsan fuzz,$(eval $(call flavour,$(f))))

# $(1) source
define fuzz-program
$(O)/host/fuzz/bin/$(basename $(notdir $(1))): $(O)/host/fuzz/obj/$(1:.c=.o) $(O)/host/fuzz/libsatchel.a \
		$(call dep-stamps,fuzz)
	$$(call say,LD,$$@)
	$(Q)mkdir -p $$(@D)
	$(Q)$(fuzz-cc) $(subst fuzzer-no-link,fuzzer,$(fuzz-flags)) -o $$@ $$(filter %.o %.a,$$^) \
		$(call dep-libs,fuzz) $$(host-libs) -lpthread
endef
$(foreach f,$(fuzz-src),$(eval $(call fuzz-program,$(f))))

unit-bin := $(unit-src:%.c=$(O)/host/asan/tests/%) $(thread-src:%.c=$(O)/host/tsan/tests/%)
fuzz-bin := $(addprefix $(O)/host/fuzz/bin/,$(basename $(notdir $(fuzz-src))))
programs := $(if $(wildcard $(main-src)),$(O)/host/asan/satchel $(O)/host/tsan/satchel)
host: $(O)/host/asan/libsatchel.a $(O)/host/tsan/libsatchel.a $(programs)
host-asan: $(O)/host/asan/libsatchel.a $(filter %/asan/satchel,$(programs))
unit-tests: $(unit-bin)
.PHONY: host host-asan unit-tests
.SECONDARY:

# make check-unit T=buf runs buf_test alone.
unit-chosen := $(if $(T),$(filter %/$(T)_test %/$(T),$(unit-bin)),$(unit-bin))
check-unit: $(unit-chosen)
	$(Q)$(if $(unit-chosen),,echo "no unit test is named $(T)" >&2; exit 1;) \
		tests/run-stage.sh unit tests/run-unit.sh $(unit-chosen)

check-fuzz: $(fuzz-bin)
	$(Q)tests/run-stage.sh fuzz tests/run-fuzz.sh $(O) runs $(or $(RUNS),20000) $(fuzz-bin)
fuzz: $(O)/host/fuzz/bin/fuzz_$(FUZZ)
	$(Q)tests/run-fuzz.sh $(O) seconds $(or $(SECONDS),600) $<

export SATCHEL = $(abspath $(O)/satchel)
export SATCHEL_ASAN = $(abspath $(O)/host/asan/satchel)
export SATCHEL_TSAN = $(abspath $(O)/host/tsan/satchel)
export SATCHEL_O = $(abspath $(O))
export SATCHEL_CONFIG = $(abspath $(KCONFIG_CONFIG))
pytest = tests/run-stage.sh $(1) env PYTHONPATH=tests $(PYTHON) -m pytest -q -p no:cacheprovider -p harness.fixtures \
	$(if $(K),-k '$(K)') $(2)
# Files side by side, the tests of one file in their order; TEST_JOBS=0 for a look with a debugger.
side-by-side = -n $(or $(TEST_JOBS),$(shell nproc)) --dist $(1)

check-kconfig:
	$(Q)$(call pytest,kconfig,tests/kconfig)
check-arch: $(O)/satchel
	$(Q)$(call pytest,arch,$(call side-by-side,loadfile) tests/arch)
check-build: $(O)/satchel
	$(Q)$(call pytest,build,tests/build)
# What tests do to a running role from outside: make its system calls, take away the kernel's.
sandbox-tools := $(patsubst tests/sandbox/%.c,$(O)/tests/%,$(wildcard tests/sandbox/*.c))
$(O)/tests/%: tests/sandbox/%.c
	$(call say,HOSTCC,$@)
	$(Q)mkdir -p $(@D); $(HOSTCC) -std=gnu11 -D_GNU_SOURCE -O1 $(WARN) -o $@ $<
feature-py := $(sort $(wildcard features/*/*/test_*.py))
check-protocol: $(O)/satchel $(O)/host/asan/satchel $(O)/host/tsan/satchel $(sandbox-tools)
	$(Q)$(call pytest,protocol,$(call side-by-side,loadfile) tests/protocol $(feature-py))
check-clients: $(O)/satchel $(O)/host/asan/satchel
	$(Q)$(call pytest,clients,$(call side-by-side,loadfile) tests/clients)
check-power: $(O)/satchel $(O)/host/asan/satchel
	$(Q)$(call pytest,power,$(call side-by-side,load) tests/power)
check-kill check-model check-stress: check-%: $(O)/satchel $(O)/host/asan/satchel
	$(Q)$(call pytest,$*,tests/$*)
# The features' own tests. check-full runs those of features that only the full configuration has.
TESTED ?=
other-features := $(foreach d,$(filter-out $(TESTED),$(FEATURE_DIRS)),$(d)/%)
feature-unit := $(filter $(addprefix $(O)/host/asan/tests/,$(other-features)),$(unit-bin))
# Words that features add to FETCH and SEARCH go through fuzz_imap_message.
feature-fuzz := $(addprefix $(O)/host/fuzz/bin/,fuzz_imap_message \
	$(basename $(notdir $(filter $(other-features),$(fuzz-src)))))
check-features: $(O)/satchel $(O)/host/asan/satchel $(feature-unit) $(feature-fuzz)
	$(Q)tests/run-stage.sh features-unit tests/run-unit.sh $(feature-unit)
	$(Q)tests/run-stage.sh features-fuzz tests/run-fuzz.sh $(O) runs $(or $(RUNS),5000) $(feature-fuzz)
	$(Q)STRESS_SECONDS=$(or $(STRESS_SECONDS),5) $(call pytest,features,$(call side-by-side,loadfile) \
		$(filter $(other-features),$(feature-py)) tests/build/test_rfc.py tests/stress)
check-full:
	+$(Q)$(MAKE) --no-print-directory O=$(abspath $(O))/full full_defconfig
	+$(Q)$(MAKE) --no-print-directory O=$(abspath $(O))/full TESTED='$(FEATURE_DIRS)' check-features
# Answers beside those of other servers, as root; by hand, in a configuration that has SORT and THREAD.
check-oracle: $(O)/satchel
	$(Q)SEED='$(SEED)' $(call pytest,oracle,tests/oracle)
check-matrix: $(O)/satchel
	$(Q)SEED='$(SEED)' $(call pytest,matrix,tests/matrix)
check-bootstrap:
	$(Q)$(call pytest,bootstrap,tests/bootstrap)

# Thousands of power cuts and model lives, seeded.
check-power-all: $(O)/host/asan/satchel
	$(Q)MODEL_RUNS=$(or $(MODEL_RUNS),300) POWER_STEP=1 POWER_RANDOM=$(or $(POWER_RANDOM),3000) \
		$(call pytest,power-all,tests/power tests/model)
# Hours of mixed load with kills; SECONDS says how long.
soak: $(O)/satchel
	$(Q)PYTHONPATH=tests $(PYTHON) tests/soak/soak.py $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(SEED),--seed $(SEED))
# Many sessions at once, every answer held against what it may be; SECONDS for each of the two binaries.
stress: $(O)/satchel $(O)/host/asan/satchel
	$(Q)STRESS_SECONDS=$(or $(SECONDS),600) SEED='$(SEED)' $(call pytest,stress,-s tests/stress)
.PHONY: check-power-all soak stress

# A benchmark prints figures; it passes or fails nothing, and no check runs one.
bench-tool = $(HOSTCC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) -I. -o $@
$(O)/bench/load: $(wildcard tests/bench/load*.[ch])
	$(call say,HOSTCC,$@)
	$(Q)mkdir -p $(@D); $(bench-tool) $(filter %.c,$^) -lssl -lcrypto
$(O)/bench/%: tests/bench/%.c
	$(call say,HOSTCC,$@)
	$(Q)mkdir -p $(@D); $(bench-tool) $<
# Parts of the program alone: the store's interface, the MIME parser.
$(O)/bench/bench_%: tests/bench/bench_%.c $(static-obj) $(call dep-stamps,static)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D); $(CC) $(STATIC_CFLAGS) $(STATIC_LDFLAGS) $(CPPFLAGS) -o $@ $< \
		$(filter-out %/$(main-src:.c=.o),$(static-obj)) $(call dep-libs,static)
bench-parts: $(O)/bench/bench_store $(O)/bench/bench_lmtp $(O)/bench/bench_mime $(O)/bench/bench_index
	$(Q)$(O)/bench/bench_mime $(SECONDS)
	$(Q)$(O)/bench/bench_lmtp $(or $(DIR),$(O)/bench)
	$(Q)$(O)/bench/bench_store $(or $(DIR),$(O)/bench) $(SECONDS)
bench-tools: $(addprefix $(O)/bench/,load raw bare)
bench-options = $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	$(if $(JSON),--json $(JSON)) $(if $(K),--only '$(K)')
bench: $(O)/satchel bench-tools
	$(Q)$(PYTHON) tests/bench/bench.py $(bench-options) $(if $(PEERS),--peers '$(PEERS)')
bench-store: $(O)/satchel bench-tools
	$(Q)$(PYTHON) tests/bench/bench_store.py $(bench-options) $(if $(BIG),--big)
bench-access: $(O)/satchel bench-tools
	$(Q)$(PYTHON) tests/bench/bench_access.py $(bench-options)
bench-sort: $(O)/satchel
	$(Q)$(PYTHON) tests/bench/bench_sort.py $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(MESSAGES),--messages $(MESSAGES))
.PHONY: bench bench-access bench-sort bench-store bench-parts bench-tools

checks := check-kconfig check-unit check-arch check-build
checks += $(patsubst %,check-%,$(notdir $(wildcard tests/protocol tests/clients tests/kill tests/model \
	tests/power tests/stress))) check-full
checks += $(if $(fuzz-src),check-fuzz)
check: $(O)/satchel
	+$(Q)PYTHONDONTWRITEBYTECODE=1 POWER_STEP=$(or $(POWER_STEP),17) tests/run-all.sh $(MAKE) $(checks)
.PHONY: check check-unit check-fuzz fuzz check-kconfig check-arch check-build check-protocol \
	check-clients check-kill check-model check-stress check-full check-features check-power check-matrix \
	check-bootstrap check-oracle
