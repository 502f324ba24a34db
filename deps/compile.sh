# SPDX-License-Identifier: 0BSD
# For the recipes: compile_library LIBRARY FILE...: compile each file, collect the objects.
# CC, CFLAGS, CPPFLAGS, AR, JOBS and OUT are set by dep.py.

compile_library() {
	library=$OUT/lib/$1
	shift
	mkdir -p "$OUT/lib" obj
	printf '%s\n' "$@" |
		xargs -P "${JOBS:-1}" -I FILE sh -euc '
			name=$(echo "$1" | tr / _)
			$CC $CFLAGS $CPPFLAGS -c -o "obj/${name%.c}.o" "$1"' sh FILE
	rm -f "$library"
	"$AR" rcsD "$library" obj/*.o
}
export CC CFLAGS
