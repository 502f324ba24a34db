# SPDX-License-Identifier: 0BSD
# $(O)/satchel: the static-pie binary against our own musl sysroot.

OPT := $(if $(CONFIG_OPTIMIZE_SPEED),-O2,-Os)
HARDEN := -fPIE -fstack-protector-strong -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables -fno-unwind-tables
# Every byte of mail goes through these, so they are compiled for speed in any case.
fast := core/lib/buf core/lib/bytes core/lib/cursor core/lib/str core/lib/arena $(basename $(wildcard core/mime/*.c)) core/store/hash core/lmtp/data
$(fast:%=$(O)/obj/%.o): OPT := -O2
STATIC_CFLAGS = $(COMMON) $(OPT) $(HARDEN) $(if $(CONFIG_DEBUG_INFO),-g) $(musl-cflags)
# 8 bytes for up to 64 pointers that the program adjusts at start, instead of 24 for each; musl reads
# them since 1.2.4, older linkers do not write them.
relr := $(if $(findstring pack-relative-relocs,$(shell $(CC) -Wl,--help 2>/dev/null)),$(comma)-z$(comma)pack-relative-relocs)
STATIC_LDFLAGS := -static-pie -fPIE -Wl,--gc-sections,-z,relro,-z,now,-z,noexecstack \
	-Wl,-z,noseparate-code,--build-id=none,--sort-section=name$(relr)
static-obj := $(SRC:%.c=$(O)/obj/%.o)

$(O)/obj/%.o: %.c $(O)/obj/flags | $(call dep-stamps,static)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(STATIC_CFLAGS) $(CPPFLAGS) $(call dep-include,static) -MMD -c -o $@ $<
	$(Q)kconfig/fixdep.sh $(@:.o=.d) $(GEN)

$(O)/satchel.debug: $(static-obj) $(call dep-stamps,static) $(O)/obj/list $(O)/obj/flags
	$(call say,LD,$@)
	$(Q)$(CC) $(STATIC_CFLAGS) $(STATIC_LDFLAGS) -Wl,-Map,$(O)/satchel.map -o $@ $(static-obj) \
		$(call dep-libs,static)

# Stripped, proved to be what it should be, then put in place.
$(O)/satchel: $(O)/satchel.debug
	$(call say,STRIP,$@)
	$(Q)$(STRIP) -s -R .comment -R .note.gnu.property -o $@.new $<
	$(Q)READELF=$(READELF) kconfig/check-binary.sh $@.new $< $(CONFIG_IMAGE_MAX_KB) $(BUDGET_KB)
	$(Q)mv $@.new $@
	@printf '  %-7s %s: %s bytes\n' SIZE $@ $$(stat -c %s $@)

# A source file that came or went must link again, another compiler or flag compiles again.
keep-in = mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' > $@
$(O)/obj/flags: FORCE
	@$(call keep-in,$(CC) $(HOSTCC) $(HOSTCLANG) $(filter-out -Werror,$(STATIC_CFLAGS)) $(STATIC_LDFLAGS) $(fast))
$(O)/obj/list: FORCE
	@$(call keep-in,$(SRC))
-include $(static-obj:.o=.d)
