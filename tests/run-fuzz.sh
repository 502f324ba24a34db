#!/bin/sh
# SPDX-License-Identifier: 0BSD
# run-fuzz.sh O runs|seconds N PROGRAM...: run fuzz programs over a throwaway copy of their seeds.
o=$1 unit=$2 number=$3
shift 3
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=''
for program; do
	name=${program##*/fuzz_}
	log=$work/$name.log seeds=$work/$name.seeds
	mkdir -p "$seeds" "$o/fuzz"
	for corpus in "tests/fuzz/corpus/$name" features/*/"$name"/corpus; do
		[ -d "$corpus" ] && cp -r "$corpus/." "$seeds/"
	done
	case $unit in
	runs) limit="-runs=$number -max_total_time=120 -seed=1" ;;
	*) limit="-max_total_time=$number" ;;
	esac
	[ -f "tests/fuzz/$name.dict" ] && limit="$limit -dict=tests/fuzz/$name.dict"
	# shellcheck disable=SC2086
	if "$program" $limit -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$o/fuzz/$name-" "$seeds" >"$log" 2>&1; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		echo "  PASS    $name: $runs executions"
	else
		tail -n 60 "$log"
		echo "  FAIL    $name"
		failed="$failed $name"
	fi
done
[ -z "$failed" ] || {
	echo "failed:$failed (what made it fail is in $o/fuzz/)"
	exit 1
}
