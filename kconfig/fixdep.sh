#!/bin/sh
# SPDX-License-Identifier: 0BSD
# fixdep.sh FILE.d GENERATED: let an object depend on the symbols its sources mention, not on all of
# config.h, so that a change of .config compiles only what it touches.
set -eu
deps=$1 gen=$2
object=${deps%.d}.o
files=$(sed 's/\\$//; s/^[^:]*://; /^$/d' "$deps" | tr -s ' ' '\n' | sort -u | grep -v "^$gen/config\.h$")
names=$(echo "$files" | xargs grep -ohE '\b(CONFIG|ENABLE)_[A-Z0-9_]+' 2>/dev/null |
	sed 's/^[A-Z]*_//' | sort -u)
{
	printf '%s:' "$object"
	printf ' %s' $files
	for name in $names; do
		[ ! -e "$gen/symbols/$name" ] || printf ' %s' "$gen/symbols/$name"
	done
	echo
	for file in $files; do
		printf '%s:\n' "$file"
	done
	for name in $names; do
		printf '%s:\n' "$gen/symbols/$name"
	done
} >"$deps.new"
mv "$deps.new" "$deps"
