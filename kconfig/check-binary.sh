#!/bin/sh
# SPDX-License-Identifier: 0BSD
# check-binary.sh STRIPPED UNSTRIPPED MAX_KB [BUDGET_KB]: fail unless the binary is a hardened static-pie
# and within what the configuration and its preset allow.
set -eu
bin=$1 debug=$2 max=$3 budget=${4:-}
: "${READELF:=readelf}"
bad=0
complain() {
	echo "$bin: $1" >&2
	bad=1
}
head=$($READELF -hW "$bin")
segments=$($READELF -lW "$bin")
dynamic=$($READELF -dW "$bin")
symbols=$($READELF -sW "$debug")

case $head in *"DYN ("*) ;; *) complain "is not position independent (static-pie)" ;; esac
case $segments in *INTERP*) complain "asks for a dynamic loader, so it is no static-pie" ;; esac
case $dynamic in *"(NEEDED)"*) complain "needs shared libraries" ;; esac
case $dynamic in *"(FLAGS_1)"*PIE*) ;; *) complain "has no PIE flag" ;; esac
case $dynamic in *"(TEXTREL)"*) complain "has relocations in its code" ;; esac
case $dynamic in *NOW*) ;; *) complain "does not bind at start (-z now)" ;; esac
case $segments in *GNU_RELRO*) ;; *) complain "has no RELRO segment" ;; esac
case $segments in
*GNU_STACK*) ;;
*) complain "does not say that its stack is not executable" ;;
esac
echo "$segments" | grep GNU_STACK | grep -q 'RWE' && complain "has an executable stack"
echo "$segments" | grep LOAD | grep -q 'RWE' && complain "has a segment both writable and executable"
case $symbols in *__stack_chk_fail*) ;; *) complain "has no stack protector" ;; esac
size=$(stat -c %s "$bin")
[ "$size" -le $((max * 1024)) ] || complain "has $size bytes, more than CONFIG_IMAGE_MAX_KB=$max allows"
[ -z "$budget" ] || [ "$size" -le $((budget * 1024)) ] ||
	complain "has $size bytes, more than the preset's budget of $budget KB: make size says what they go to"
exit $bad
