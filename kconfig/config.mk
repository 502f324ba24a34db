# SPDX-License-Identifier: 0BSD
# The configuration targets, and the files generated from .config.

kc := $(PYTHON) kconfig/kc.py
config-goals := menuconfig oldconfig olddefconfig defconfig list-defconfigs savedefconfig \
	allnoconfig allyesconfig randconfig listnewconfig %_defconfig

menuconfig oldconfig olddefconfig listnewconfig:
	$(Q)$(kc) $@ $(KCONFIG_CONFIG)
defconfig:
	$(Q)$(kc) defconfig $(KCONFIG_CONFIG) default
%_defconfig:
	$(Q)$(kc) defconfig $(KCONFIG_CONFIG) $*
allnoconfig allyesconfig:
	$(Q)$(kc) allconfig $(KCONFIG_CONFIG) $@
randconfig:
	$(Q)$(kc) randconfig $(KCONFIG_CONFIG) $(SEED)
savedefconfig:
	$(Q)$(kc) savedefconfig $(KCONFIG_CONFIG) $(DEFCONFIG)
list-defconfigs:
	$(Q)$(kc) list-defconfigs $(KCONFIG_CONFIG)
lint-kconfig:
	$(Q)$(kc) lint $(KCONFIG_CONFIG)
rfc-table:
	$(Q)$(PYTHON) kconfig/rfc.py write
.PHONY: $(filter-out %_defconfig,$(config-goals)) lint-kconfig rfc-table

# The same program again, from what it says of itself.
from-binary:
	$(if $(FILE),,$(error from-binary needs a program: FILE=PATH))
	$(Q)mkdir -p $(dir $(KCONFIG_CONFIG))
	$(Q)$(FILE) config --kconfig >$(KCONFIG_CONFIG).new && grep -q '^CONFIG_' $(KCONFIG_CONFIG).new || \
		{ rm -f $(KCONFIG_CONFIG).new; echo '$(FILE) does not say what it was built from' >&2; exit 1; }
	$(Q)mv $(KCONFIG_CONFIG).new $(KCONFIG_CONFIG)
	$(Q)$(MAKE) --no-print-directory all
.PHONY: from-binary

# Without a .config the default one is taken.
$(KCONFIG_CONFIG):
	$(Q)$(kc) untouched $@ $(GEN)

# The folders themselves are named so that a feature added or taken away is noticed.
kconfig-files := Kconfig $(wildcard core/Kconfig core/*/Kconfig* features/*/*/Kconfig board/*/Kconfig \
	image/Kconfig kconfig/Kconfig features features/*)
$(GEN)/config.mk: $(KCONFIG_CONFIG) $(kconfig-files) kconfig/kc.py VERSION
	$(call say,GEN,$(GEN))
	$(Q)mkdir -p $(GEN)
	$(Q)$(kc) generate $(KCONFIG_CONFIG) $(GEN)
	$(Q)touch $@
