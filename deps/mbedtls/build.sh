# SPDX-License-Identifier: 0BSD
# Hashes, and what features ask for in NEEDS (`mbedtls-needs += SHA1_C`); our configuration takes the
# place of theirs.

. "$COMPILE"
cp "$RECIPE/mbedtls_config.h" include/mbedtls/mbedtls_config.h
for need in ${NEEDS:-}; do
	echo "#define MBEDTLS_$need"
done >>include/mbedtls/mbedtls_config.h
export CPPFLAGS="-Iinclude -Ilibrary"
compile_library libmbedcrypto.a library/*.c
mkdir -p "$OUT/include"
cp -r include/mbedtls include/psa "$OUT/include/"
