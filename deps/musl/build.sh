# SPDX-License-Identifier: 0BSD
# The C library, its start files and the specs that make gcc use them; kernel headers beside it.

./configure --prefix="$PREFIX" --syslibdir="$PREFIX/lib" --disable-shared --enable-wrapper=gcc \
	--target="$($CC -dumpmachine)" CC="$CC" AR="$AR" RANLIB=true CFLAGS="$CFLAGS"
make -j"${JOBS:-1}" AR="$AR" RANLIB=true
make install DESTDIR="$PWD/root" AR="$AR" RANLIB=true
mv "root$PREFIX"/* "$OUT/"

# The kernel's headers come from the compiler's distribution package.
for dir in linux asm asm-generic; do
	file=$(echo "#include <$dir/types.h>" | $CC -E -x c - |
		sed -n "s,^# [0-9]* \"\(.*/$dir\)/types.h\".*,\1,p" | head -n 1)
	[ -n "$file" ] || {
		echo "no kernel headers for $dir: install linux-libc-dev" >&2
		exit 1
	}
	cp -rL "$file" "$OUT/include/"
done
