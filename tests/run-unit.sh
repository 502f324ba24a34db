#!/bin/sh
# SPDX-License-Identifier: 0BSD
# run-unit.sh TEST...: run each unit test; the ones that failed are shown and named at the end.
export ASAN_OPTIONS="detect_leaks=1:abort_on_error=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
export TSAN_OPTIONS="halt_on_error=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
failed='' count=0
for test; do
	count=$((count + 1))
	if timeout 300 "$test" >"$out" 2>&1; then
		echo "  PASS    ${test#*/host/}"
	else
		rc=$?
		cat "$out"
		echo "  FAIL    ${test#*/host/} (status $rc)"
		failed="$failed ${test#*/host/}"
	fi
done
[ -z "$failed" ] || {
	echo "failed:$failed"
	exit 1
}
echo "$count unit test programs passed"
