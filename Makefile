# SPDX-License-Identifier: 0BSD
# The build of Satchel. `make help` lists the targets; kconfig/*.mk, deps/deps.mk and tests/tests.mk
# hold the rest. Everything made goes to $(O); the configuration is .config here, or $(O)/.config
# when O= was given.

O ?= build
PYTHON ?= /usr/bin/python3
KCONFIG_CONFIG ?= $(if $(filter command line environment,$(origin O)),$(O)/.config,.config)
CROSS_COMPILE ?=
PREFIX ?= /usr
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/satchel
GEN := $(O)/generated
JOBS ?= $(shell nproc)
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1735689600)
export LC_ALL := C
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2);)
HOSTCC ?= gcc
HOSTCLANG ?= clang
CC := $(CROSS_COMPILE)gcc
STRIP := $(CROSS_COMPILE)strip
OBJCOPY := $(CROSS_COMPILE)objcopy
READELF := $(CROSS_COMPILE)readelf

all: $(O)/satchel
.PHONY: all FORCE
include kconfig/config.mk

# Goals that need no configuration must not make one.
quiet-goals := help clean distclean source legal-info lint-kconfig rfc-table prices size-diff size-profile \
	check-prices from-binary $(config-goals)
ifneq ($(filter-out $(quiet-goals),$(or $(MAKECMDGOALS),all)),)
include $(GEN)/config.mk
endif

# What is compiled: all of core, and each chosen feature's folder. No list is kept by hand.
core-src := $(sort $(wildcard core/*.c core/*/*.c))
feature-src := $(sort $(foreach d,$(FEATURE_DIRS),$(filter-out %_test.c $(d)/fuzz_%.c,$(wildcard $(d)/*.c))))
SRC := $(core-src) $(feature-src)
main-src := core/server/main.c
-include $(wildcard $(FEATURE_DIRS:%=%/feature.mk))

include deps/deps.mk

WARN := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wvla $(if $(DEV),-Werror)
CPPFLAGS := -I. -I$(O) -include $(GEN)/config.h -D_GNU_SOURCE
COMMON := -std=gnu11 $(WARN) -fno-strict-aliasing -ffile-prefix-map=$(CURDIR)/= -ffile-prefix-map=$(O)/=
include kconfig/static.mk
include kconfig/size.mk
include tests/tests.mk

run: $(O)/satchel
	$(Q)kconfig/run.sh $(O)/satchel
.PHONY: run
export IMAP_PORT LMTP_PORT RUN_DIR PYTHON

manpages = $(wildcard docs/man/*.[1-8])
install: $(O)/satchel
	$(call say,INSTALL,$(DESTDIR)$(PREFIX)/sbin/satchel)
	$(Q)install -D -m 755 $(O)/satchel $(DESTDIR)$(PREFIX)/sbin/satchel
	$(Q)for page in $(manpages); do \
		install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; done
	$(Q)install -D -m 644 LICENSE $(DESTDIR)$(DOCDIR)/LICENSE
	$(Q)$(dep) licences $(DESTDIR)$(DOCDIR)/licences
.PHONY: install

clean:
	$(Q)rm -rf $(addprefix $(O)/,generated obj host deps tests size satchel satchel.debug satchel.map)
distclean: clean
	$(Q)rm -rf $(KCONFIG_CONFIG) $(KCONFIG_CONFIG).old $(KCONFIG_CONFIG).budget $(if $(filter build,$(O)),build)
.PHONY: clean distclean

help:
	@sed -n 's/^#: \?//p' kconfig/help.txt
.PHONY: help
