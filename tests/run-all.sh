#!/bin/sh
# SPDX-License-Identifier: 0BSD
# run-all.sh MAKE STAGE...: run every stage, go on after a failure, sum up at the end.
make=$1
shift
passed=0 failed='' count=0
begin=$(date +%s)
for stage; do
	if $make --no-print-directory "$stage"; then
		passed=$((passed + 1))
	else
		count=$((count + 1))
		failed="$failed $stage"
	fi
done
echo "== check: $passed stages passed, $count failed${failed:+:$failed}, $(($(date +%s) - begin)) s"
[ -z "$failed" ]
