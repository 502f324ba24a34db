#!/bin/sh
# SPDX-License-Identifier: 0BSD
# run-stage.sh NAME COMMAND...: run one stage of the checks, say its name and its seconds.
name=$1
shift
start=$(date +%s)
echo "== $name"
"$@"
rc=$?
seconds=$(($(date +%s) - start))
if [ $rc -eq 0 ]; then
	echo "== $name: passed in $seconds s"
elif [ $rc -eq 5 ]; then
	echo "== $name: FAILED, it holds no tests"
else
	echo "== $name: FAILED (status $rc) in $seconds s"
fi
exit $rc
