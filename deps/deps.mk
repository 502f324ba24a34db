# SPDX-License-Identifier: 0BSD
# Third-party parts: each folder here with a lock is one, deps/dep.py fetches, builds and caches it.
# A feature asks for more of a part in its feature.mk: `cyrus-sasl-needs += plain`.

DL_DIR ?= dl
CACHE_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/satchel
export DL_DIR CACHE_DIR JOBS
comma := ,
dep := $(PYTHON) deps/dep.py
dep-parts := tinycdb cyrus-sasl mbedtls
lib-tinycdb := cdb
lib-cyrus-sasl := sasl2
lib-mbedtls := mbedcrypto

dep-libs = $(foreach p,$(dep-parts),$(O)/deps/$(1)/$(p)/lib/lib$(lib-$(p)).a)
dep-include = $(foreach p,$(dep-parts),-isystem $(O)/deps/$(1)/$(p)/include)
dep-stamps = $(foreach p,$(if $(filter static,$(1)),musl) $(dep-parts),$(O)/deps/$(1)/$(p).stamp)

# The specs make gcc use our sysroot; their path is known before the sysroot is there.
musl-cflags := -specs $(O)/deps/static/musl/lib/musl-gcc.specs
dep-opt := $(if $(CONFIG_OPTIMIZE_SPEED),-O2,-Os) -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables -fno-unwind-tables

# $(1) flavour, $(2) part, $(3) compiler, $(4) its flags
define dep-rule
$(O)/deps/$(1)/$(2).stamp: $(wildcard deps/$(2)/*) deps/compile.sh deps/dep.py $(GEN)/config.mk \
		$(if $(wildcard $(O)/deps/$(1)/$(2)/ok),,FORCE) \
		$(if $(filter static,$(1)),$(if $(filter-out musl,$(2)),$(O)/deps/static/musl.stamp))
	$(Q)CC='$(3)' AR='$(CROSS_COMPILE)ar' CFLAGS='$(4)' NEEDS='$(sort $($(2)-needs))' \
		$(dep) build $(2) --flavour $(1) --link $(O)/deps/$(1)/$(2)
endef
dep-rules = $(foreach p,$(dep-parts),$(eval $(call dep-rule,$(1),$(p),$(2),$(3))))
$(eval $(call dep-rule,static,musl,$(CC),$(dep-opt) -fPIE))
$(call dep-rules,static,$(CC),$(dep-opt) -std=gnu11 -fPIE -fstack-protector-strong)
$(call dep-rules,asan,$(HOSTCC),-g1 -O1 -std=gnu11 -fsanitize=address -fno-omit-frame-pointer)
$(call dep-rules,tsan,$(HOSTCC),-g1 -O1 -std=gnu11 -fsanitize=thread -fno-omit-frame-pointer)
$(call dep-rules,fuzz,$(HOSTCLANG),-g1 -O1 -std=gnu11 -fsanitize=fuzzer-no-link$(comma)address \
	-fno-omit-frame-pointer)

source:
	$(Q)$(dep) source
legal-info:
	$(Q)$(dep) legal-info $(O)/legal-info
.PHONY: source legal-info
