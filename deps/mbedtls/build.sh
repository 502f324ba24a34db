# SPDX-License-Identifier: 0BSD
# Hashes, and what features ask for in NEEDS (`mbedtls-needs += SHA1_C`, or `NAME=VALUE`); our
# configuration takes the place of theirs.

. "$COMPILE"
cp "$RECIPE/mbedtls_config.h" include/mbedtls/mbedtls_config.h
for need in ${NEEDS:-}; do
	echo "#define MBEDTLS_$need" | tr = ' '
done >>include/mbedtls/mbedtls_config.h
cp "$RECIPE/ssl_lend.h" include/mbedtls/
cp "$RECIPE/random.c" library/satchel_random.c
cp "$RECIPE/ssl_lend.c" "$RECIPE/ssl_update.c" "$RECIPE/ssl_update.h" library/
cp "$RECIPE/x25519.c" "$RECIPE/x25519_mul.h" "$RECIPE/gcm_bulk.c" "$RECIPE/gcm_bulk.h" library/
everest=3rdparty/everest
CPPFLAGS="-Iinclude -Ilibrary -I$everest/library -I$everest/include"
export CPPFLAGS="$CPPFLAGS -I$everest/include/everest -I$everest/include/everest/kremlib"
case $("${CC%% *}" -dumpmachine) in x86_64*) aes="-maes -mpclmul -mssse3" ;; *) aes= ;; esac
mv library/gcm_bulk.c .
compile_library libmbedcrypto.a library/*.c
# The ciphers of every byte, and what handshakes compute most with: made fast. The processor's own
# instructions for AES go into the two files that are asked for them at run time only.
CFLAGS="$CFLAGS -O3"
hot="gcm aes chacha20 poly1305 bignum_core ecp_curves"
for file in $hot; do
	$CC $CFLAGS $CPPFLAGS -c -o "obj/library_$file.o" "library/$file.c"
done
# Loops of five steps, unrolled: twice as fast, for no more room.
$CC $CFLAGS -O2 -fpeel-loops -fno-inline-functions $CPPFLAGS -c -o obj/library_x25519.o library/x25519.c
# shellcheck disable=SC2086
$CC $CFLAGS $aes $CPPFLAGS -c -o obj/library_aesni.o library/aesni.c
# shellcheck disable=SC2086
$CC $CFLAGS $aes $CPPFLAGS -c -o obj/library_gcm_bulk.o gcm_bulk.c
rm -f "$OUT/lib/libmbedcrypto.a"
"$AR" rcsD "$OUT/lib/libmbedcrypto.a" obj/*.o
mkdir -p "$OUT/include"
cp -r include/mbedtls include/psa "$OUT/include/"
