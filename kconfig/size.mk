# SPDX-License-Identifier: 0BSD
# What the program weighs, and what each option costs: see docs/size.md.

size: $(O)/satchel
	$(Q)$(PYTHON) kconfig/size.py table $(O) $(FORMAT)
size-map: $(O)/satchel
	$(Q)$(PYTHON) kconfig/treemap.py $(O) $(or $(SVG),$(O)/size.svg)
	$(call say,SVG,$(or $(SVG),$(O)/size.svg))
size-diff:
	$(if $(and $(A),$(B)),,$(error size-diff needs two build folders: A=DIR B=DIR))
	$(Q)$(PYTHON) kconfig/size.py diff $(A) $(B) $(FORMAT)
size-why: $(KCONFIG_CONFIG)
	$(if $(WHY),,$(error size-why needs an option: WHY=CONFIG_X))
	$(Q)$(PYTHON) kconfig/prices.py why $(O) $(KCONFIG_CONFIG) $(WHY)
	$(Q)$(PYTHON) kconfig/size.py diff $(O)/size/without $(O)/size/with $(FORMAT)
.PHONY: size size-map size-diff size-why

prices:
	$(Q)$(PYTHON) kconfig/prices.py show
size-profile:
	$(Q)$(PYTHON) kconfig/prices.py profile $(O)/size $(NAMES)
check-prices:
	$(Q)$(PYTHON) kconfig/prices.py check $(O)/size $(or $(COUNT),3) $(or $(SEED),0)
.PHONY: prices size-profile check-prices
