# SPDX-License-Identifier: 0BSD
# Third-party parts: fetched, verified and built by deps/dep.py; each folder here is one.

DL_DIR ?= dl
CACHE_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/satchel
dep-names := $(notdir $(patsubst %/,%,$(dir $(wildcard deps/*/build.sh))))
libs := $(filter-out musl,$(dep-names))
dep-stamps =
dep-include =
dep-libs =
musl-cflags :=
